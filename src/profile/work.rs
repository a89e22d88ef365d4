//! How a provider says how far the work is.

use super::{
    Content,
    rule::{any, is_one_of},
    settings::Scalar,
};
use crate::json::{Kind, Pointer};

/// Where the state of the work stands, and what the words there mean.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) at: Vec<Pointer>,
    pub(super) succeeded: Vec<Scalar>,
    pub(super) failed: Vec<Scalar>,
}

/// How far work is, by the word of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkState {
    /// It is not done yet, or the word is one that nobody knows.
    Running,
    /// It is done.
    Succeeded,
    /// It came to nothing.
    Failed,
}

impl WorkState {
    /// The word in stores and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl Work {
    /// What the first place with a word says; `None` where there is none.
    pub(super) fn state(&self, content: &Content) -> Option<WorkState> {
        let Content::Json(document) = content else { return None };
        let mut state = None;
        self.at.iter().any(|at| {
            any(at, document.root(), |word| {
                state = match word {
                    word if is_one_of(word, &self.failed) => Some(WorkState::Failed),
                    word if is_one_of(word, &self.succeeded) => Some(WorkState::Succeeded),
                    word if matches!(word.kind(), Kind::String | Kind::Number | Kind::Bool) => {
                        Some(WorkState::Running)
                    }
                    _ => None,
                };
                state.is_some()
            })
        });
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use bytes::Bytes;

    #[test]
    fn how_far_the_work_is() {
        use WorkState::{Failed, Running, Succeeded};
        let table = [
            ("grsai", r#"{"status":"running","progress":35}"#, Some(Running)),
            ("grsai", r#"{"status":"Succeeded","results":[]}"#, Some(Succeeded)),
            ("grsai", r#"{"code":0,"msg":"success","data":{"status":"failed"}}"#, Some(Failed)),
            ("grsai", r#"{"code":0,"msg":"success","data":{"id":"t1"}}"#, None),
            ("grsai", r#"{"status":null}"#, None),
            ("grsai", r#"[{"status":"succeeded"}]"#, None),
            ("grsai", "status: succeeded", None),
            ("kie", r#"{"code":200,"data":{"successFlag":0}}"#, Some(Running)),
            ("kie", r#"{"code":200,"data":{"successFlag":1}}"#, Some(Succeeded)),
            ("kie", r#"{"code":200,"data":{"state":"waiting","successFlag":1}}"#, Some(Running)),
            ("gemini", r#"{"name":"operations/1","done":true}"#, Some(Succeeded)),
            (
                "openai",
                r#"{"type":"response.created","response":{"status":"in_progress"}}"#,
                Some(Running),
            ),
            ("vertex", r#"{"done":false}"#, Some(Running)),
            ("generic", r#"{"status":"succeeded"}"#, None),
        ];
        for (profile, body, want) in table {
            let content = Content::of_text(Bytes::from(body));
            let profile = Profile::preset(profile).unwrap();
            assert_eq!(profile.work(&content), want, "{} {body}", profile.name());
        }
    }
}
