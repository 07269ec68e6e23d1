//! How an error is told to people.

use std::error::Error;

/// An error and its causes on one line, from the outermost to the innermost.
#[must_use]
pub fn chain(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed{0}")]
    struct Failed(&'static str, #[source] io::Error);

    #[test]
    fn causes_follow_and_none_is_told_twice() {
        let cause = || io::Error::other("no space");
        assert_eq!(chain(&Failed("", cause())), "it failed: no space");
        assert_eq!(chain(&Failed(": no space", cause())), "it failed: no space");
    }
}
