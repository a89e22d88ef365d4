use super::{rewrite::Rewrite, template::render};
use crate::{
    Fault,
    config::{PathTemplate, ScopeTemplate},
    validate::PathParameters,
};
use http::{Method, Uri};
use std::fmt;

/// The routes of a configuration. A route is known by its number, in the order in which it was added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    paths: matchit::Router<usize>,
    nodes: Vec<Node>,
    routes: Vec<Parameterised>,
}

/// What of a route is made out of the path of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfPath {
    /// Where the request goes.
    pub(crate) rewrite: Option<PathTemplate>,
    /// The scopes with parameters.
    pub(crate) scopes: Vec<ScopeTemplate>,
    /// Whether somebody further in looks at the parameters.
    pub(crate) keeps_parameters: bool,
}

/// The same, ready to be used.
#[derive(Clone, Debug)]
struct Parameterised {
    rewrite: Option<Rewrite>,
    scopes: Box<[ScopeTemplate]>,
    keeps_parameters: bool,
}

/// The routes of one path.
#[derive(Clone, Debug)]
struct Node {
    pattern: String,
    methods: Vec<(Method, usize)>,
    /// The route for every other method.
    any: Option<usize>,
}

/// Why a route cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidRoute(String);

impl fmt::Display for InvalidRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The route's number.
    pub(super) route: usize,
    /// The target for the provider, where it is another one.
    pub(super) rewritten: Option<Uri>,
    /// What the caller must be allowed to do for just this path.
    pub(super) scopes: Vec<Box<str>>,
    /// What the path has in the places of its parameters, where somebody looks at it.
    pub(super) parameters: Option<PathParameters>,
}

impl Table {
    /// Adds a route for these methods, or for any when there are none.
    pub(crate) fn add(
        &mut self,
        methods: &[Method],
        path: &str,
        of_path: OfPath,
    ) -> Result<(), InvalidRoute> {
        let route = self.routes.len();
        let known = self.nodes.iter().position(|node| node.pattern == path);
        let index = match known {
            Some(index) => index,
            None => {
                self.paths
                    .insert(path, self.nodes.len())
                    .map_err(|e| InvalidRoute(e.to_string()))?;
                let (methods, any) = (Vec::new(), None);
                self.nodes.push(Node { pattern: path.to_owned(), methods, any });
                self.nodes.len() - 1
            }
        };
        let node = &mut self.nodes[index];
        let taken = |method: &str| InvalidRoute(format!("{method} {path} has a route already"));
        if methods.is_empty() && node.any.replace(route).is_some() {
            return Err(taken("any method of"));
        }
        for method in methods {
            if node.methods.iter().any(|(other, _)| other == method) {
                return Err(taken(method.as_str()));
            }
            node.methods.push((method.clone(), route));
        }
        let OfPath { rewrite, scopes, keeps_parameters } = of_path;
        let rewrite = rewrite.map(Rewrite::new);
        self.routes.push(Parameterised { rewrite, scopes: scopes.into(), keeps_parameters });
        Ok(())
    }

    /// The route of a request.
    pub(super) fn find(&self, method: &Method, uri: &Uri) -> Result<Found, Fault> {
        if matches!(uri.path(), "*" | "") {
            // OPTIONS of the gateway as a whole (RFC 9110, section 9.3.7), or CONNECT: not for any provider.
            return Err(not_allowed(self.nodes.iter()));
        }
        let at = self.paths.at(uri.path()).map_err(|_| Fault::NoRoute)?;
        let node = &self.nodes[*at.value];
        // They are not for any route, whatever it says: a tunnel is none, and an echo shows credentials.
        let forbidden = *method == Method::CONNECT || *method == Method::TRACE;
        let found = if forbidden { None } else { node.route(method) };
        let route = found.ok_or_else(|| not_allowed(std::iter::once(node)))?;
        let Parameterised { rewrite, scopes, keeps_parameters } = &self.routes[route];
        let rewritten =
            rewrite.as_ref().map(|rewrite| rewrite.apply(uri, &at.params)).transpose()?;
        let scopes = scopes.iter().map(|scope| {
            let mut text = String::new();
            render(scope.parts(), &at.params, &mut text);
            text.into()
        });
        let parameters = keeps_parameters.then(|| PathParameters::new(at.params.iter()));
        Ok(Found { route, rewritten, scopes: scopes.collect(), parameters })
    }
}

impl Node {
    fn route(&self, method: &Method) -> Option<usize> {
        let exactly = |wanted: &Method| {
            self.methods.iter().find(|(method, _)| method == wanted).map(|(_, route)| *route)
        };
        exactly(method)
            .or(self.any)
            .or_else(|| if *method == Method::HEAD { exactly(&Method::GET) } else { None })
    }
}

/// The refusal, with all the methods that these paths have.
fn not_allowed<'a>(nodes: impl Iterator<Item = &'a Node>) -> Fault {
    const ANY: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    let mut allowed: Vec<&Method> = Vec::new();
    for node in nodes {
        let listed = node.methods.iter().map(|(method, _)| method);
        for method in listed.chain(node.any.iter().flat_map(|_| ANY.iter())) {
            if !allowed.contains(&method) {
                allowed.push(method);
            }
        }
    }
    if allowed.contains(&&Method::GET) && !allowed.contains(&&Method::HEAD) {
        allowed.push(&Method::HEAD);
    }
    let mut names: Vec<_> = allowed.into_iter().map(Method::as_str).collect();
    names.sort_unstable();
    Fault::MethodNotAllowed { allow: names.join(", ").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> OfPath {
        OfPath::default()
    }

    fn table() -> Table {
        let mut table = Table::default();
        let rewritten = OfPath { rewrite: Some("/v1/{id}".parse().unwrap()), ..plain() };
        let scopes = vec!["task:{id}".parse().unwrap()];
        let scoped = OfPath { scopes, keeps_parameters: true, ..plain() };
        table.add(&[Method::GET], "/tasks/{id}", rewritten).unwrap();
        table.add(&[Method::POST, Method::PUT], "/tasks/{id}", scoped).unwrap();
        table.add(&[Method::POST], "/generate", plain()).unwrap();
        table.add(&[], "/files/{*path}", plain()).unwrap();
        table.add(&[Method::GET], "/health", plain()).unwrap();
        table.add(&[Method::HEAD], "/health", plain()).unwrap();
        table
    }

    #[test]
    fn method_and_path() {
        let allow = |methods: &'static str| Err(Fault::MethodNotAllowed { allow: methods.into() });
        let all = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
        let cases = [
            ("GET", "/tasks/1", Ok((0, Some("/v1/1")))),
            ("GET", "/tasks/1?a", Ok((0, Some("/v1/1?a")))),
            ("HEAD", "/tasks/1", Ok((0, Some("/v1/1")))),
            ("PUT", "/tasks/1", Ok((1, None))),
            ("DELETE", "/tasks/1", allow("GET, HEAD, POST, PUT")),
            ("GET", "/generate", allow("POST")),
            ("HEAD", "/generate", allow("POST")),
            ("BREW", "/files/a/b", Ok((3, None))),
            ("CONNECT", "/files/a", allow(all)),
            ("TRACE", "/files/a", allow(all)),
            ("HEAD", "/health", Ok((5, None))),
            ("GET", "/", Err(Fault::NoRoute)),
            ("GET", "/tasks/", Err(Fault::NoRoute)),
            ("GET", "/generate/", Err(Fault::NoRoute)),
            ("GET", "/Generate", Err(Fault::NoRoute)),
            ("TRACE", "/nothing", Err(Fault::NoRoute)),
            ("OPTIONS", "*", allow(all)),
        ];
        let table = table();
        for (method, uri, want) in cases {
            let got = table.find(&method.parse().unwrap(), &uri.parse().unwrap());
            let want = want.map(|(route, rewritten): (usize, Option<&str>)| Found {
                route,
                rewritten: rewritten.map(|uri| uri.parse().unwrap()),
                scopes: if route == 1 { vec!["task:1".into()] } else { vec![] },
                parameters: (route == 1).then(|| PathParameters::new([("id", "1")])),
            });
            assert_eq!(got, want, "{method} {uri}");
        }
    }

    #[test]
    fn routes_that_contradict_each_other() {
        let mut table = table();
        assert!(table.add(&[Method::GET], "/tasks/{id}", plain()).is_err());
        assert!(table.add(&[Method::GET], "/tasks/{name}", plain()).is_err());
        assert!(table.add(&[], "/files/{*path}", plain()).is_err());
        assert!(table.add(&[Method::DELETE], "/tasks/{id}", plain()).is_ok());
    }
}
