use super::{ContentEncoding, Report, Validate, policy::Policy};
use crate::{
    Catalog,
    buffer::Budget,
    edit::Edits,
    json::{Duplicates, Syntax},
    schema::Schema,
};
use std::{sync::Arc, time::Duration};
use tower_layer::Layer;

/// The longest body where nothing else is said.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The longest that it may take to arrive.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Applies [`Validate`]; see the [module](super).
///
/// # Panics
///
/// Not the layer, but its [futures](super::ResponseFuture) outside a tokio runtime with time: see [`timeout`](Self::timeout).
#[derive(Clone, Debug)]
pub struct ValidateLayer {
    policy: Policy,
}

impl Default for ValidateLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl ValidateLayer {
    /// Lets everything through: what is to be checked has yet to be said.
    pub fn new() -> Self {
        let policy = Policy {
            catalog: Catalog::shared_default().clone(),
            schema: None,
            parameters: None,
            edits: Arc::default(),
            editable: false,
            syntax: Syntax::default(),
            content_encoding: ContentEncoding::default(),
            report: Report::default(),
            max_bytes: MAX_BYTES,
            timeout: TIMEOUT,
            budget: Budget::unlimited(),
        };
        Self { policy }
    }

    /// Refuses in the words of this catalog. Default: the preset `default`.
    ///
    /// A code in the schema that it does not have is answered as an internal error; [`Schema::check`] tells in time.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.policy.catalog = catalog;
        self
    }

    /// The rules of the body. Default: none, it is not looked at.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<Arc<Schema>>) -> Self {
        self.policy.schema = Some(schema.into());
        self
    }

    /// The rules of the parameters in path and query, as those of one object. Default: none.
    #[must_use]
    pub fn parameters(mut self, schema: impl Into<Arc<Schema>>) -> Self {
        self.policy.parameters = Some(schema.into());
        self
    }

    /// What is changed in the body before it goes on, which then has to be an object. Default: nothing.
    ///
    /// A body in which a name is there twice cannot be edited: with edits it is refused, whatever [`syntax`](Self::syntax) says
    /// of [`Duplicates`].
    #[must_use]
    pub fn edits(mut self, edits: impl Into<Arc<Edits>>) -> Self {
        self.policy.edits = edits.into();
        self
    }

    /// Whether somebody further in edits bodies that are read here: then too they have to be objects in which no name is there
    /// twice. Default: `false`.
    #[must_use]
    pub fn editable(mut self, editable: bool) -> Self {
        self.policy.editable = editable;
        self
    }

    /// What of JSON is accepted. Default: [`Syntax::default`].
    #[must_use]
    pub fn syntax(mut self, syntax: Syntax) -> Self {
        self.policy.syntax = syntax;
        self
    }

    /// What becomes of compressed bodies. Default: [`ContentEncoding::Refuse`].
    #[must_use]
    pub fn content_encoding(mut self, content_encoding: ContentEncoding) -> Self {
        self.policy.content_encoding = content_encoding;
        self
    }

    /// How many violations are named. Default: [`Report::First`].
    #[must_use]
    pub fn report(mut self, report: Report) -> Self {
        self.policy.report = report;
        self
    }

    /// The longest body, in bytes as they are sent; less than 4 GiB. Default: 1 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.policy.max_bytes = bytes;
        self
    }

    /// How long a body may take to arrive and to be decoded, from when it is first waited for. Default: 30 s.
    ///
    /// # Panics
    ///
    /// Not this, but the future of a request whose body has to be waited for, or is decoded in several turns, where it is
    /// polled outside a tokio runtime with time (`enable_time`).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// Where the memory for bodies comes from. Default: as much as there is.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }
}

impl<S> Layer<S> for ValidateLayer {
    type Service = Validate<S>;

    fn layer(&self, inner: S) -> Validate<S> {
        let mut policy = self.policy.clone();
        policy.editable |= !policy.edits.is_empty();
        if policy.editable {
            policy.syntax = policy.syntax.duplicates(Duplicates::Refuse);
        }
        Validate::new(inner, Arc::new(policy))
    }
}
