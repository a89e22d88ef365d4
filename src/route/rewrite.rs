use super::template::render;
use crate::{Fault, config::PathTemplate};
use http::{Uri, uri::PathAndQuery};
use matchit::Params;

/// Where requests go: the path of a request to the provider.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    template: PathTemplate,
}

impl Rewrite {
    pub(crate) fn new(template: PathTemplate) -> Self {
        Self { template }
    }

    /// The request's target with the new path; its query stays.
    pub(crate) fn apply(&self, uri: &Uri, params: &Params<'_, '_>) -> Result<Uri, Fault> {
        let mut target = String::with_capacity(uri.path().len() + 32);
        render(self.template.parts(), params, &mut target);
        if let Some(query) = uri.query() {
            target.push('?');
            target.push_str(query);
        }
        // Every piece comes from a valid target, so nothing but its length can be wrong with the whole.
        let target = PathAndQuery::try_from(target).map_err(|_| Fault::UriTooLong)?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).map_err(|_| Fault::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_rewritten_and_queries_kept() {
        let table = [
            ("/a", "/b", "/a", "/b"),
            ("/a", "/b", "/a?x=1&y", "/b?x=1&y"),
            ("/t/{id}", "/v1/{id}/x", "/t/a%2Fb", "/v1/a%2Fb/x"),
            ("/t/{id}/{n}", "/{n}-{id}", "/t/1/2", "/2-1"),
            ("/t/{*rest}", "/v/{rest}", "/t/a/b?q", "/v/a/b?q"),
            ("/t/{*rest}", "/v/{*rest}", "/t/a", "/v/a"),
            ("/a", "/b", "http://h/a?x", "http://h/b?x"),
        ];
        for (route, template, uri, want) in table {
            let mut router = matchit::Router::new();
            router.insert(route, ()).unwrap();
            let uri: Uri = uri.parse().unwrap();
            let found = router.at(uri.path()).unwrap();
            let got = Rewrite::new(template.parse().unwrap()).apply(&uri, &found.params).unwrap();
            assert_eq!(got.to_string(), want, "{route} {template} {uri}");
        }
    }
}
