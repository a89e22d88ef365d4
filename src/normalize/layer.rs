use super::{Normalize, Shared, own};
use crate::{Catalog, Fault};
use http::response::Parts;
use std::sync::Arc;
use tower_layer::Layer;

/// Applies [`Normalize`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct NormalizeLayer {
    shared: Arc<Shared>,
}

impl NormalizeLayer {
    /// Answers in the words of this catalog. [`Default`] is the preset `default`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { shared: Arc::new(Shared { catalog, classify_own: own }) }
    }

    /// How to read a failure of the application's own, one that carries no [`Fault`] and is no provider's.
    ///
    /// Default: [`own`], by status. Called only for statuses of 400 and above.
    #[must_use]
    pub fn classify_own(self, classify_own: fn(&Parts) -> Fault) -> Self {
        let catalog = self.shared.catalog.clone();
        Self { shared: Arc::new(Shared { catalog, classify_own }) }
    }
}

impl Default for NormalizeLayer {
    fn default() -> Self {
        Self::new(Catalog::shared_default().clone())
    }
}

impl<S> Layer<S> for NormalizeLayer {
    type Service = Normalize<S>;

    fn layer(&self, inner: S) -> Normalize<S> {
        Normalize::new(inner, self.shared.clone())
    }
}
