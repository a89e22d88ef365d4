use super::Wrap;
use crate::Catalog;
use std::sync::Arc;
use tower_layer::Layer;

/// Applies [`Wrap`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct WrapLayer {
    catalog: Arc<Catalog>,
    enabled: bool,
}

impl WrapLayer {
    /// Refuses what cannot be wrapped in the words of this catalog. [`Default`] is the preset `default`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, enabled: true }
    }

    /// Whether it does anything, for stacks whose types must not depend on it. Default: true.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }
}

impl Default for WrapLayer {
    fn default() -> Self {
        Self::new(Catalog::shared_default().clone())
    }
}

impl<S> Layer<S> for WrapLayer {
    type Service = Wrap<S>;

    fn layer(&self, inner: S) -> Wrap<S> {
        Wrap::new(inner, self.catalog.clone(), self.enabled)
    }
}
