//! Path, query and body of a request, with a problem that says what is wrong with them.

use std::fmt;

use axum::body::{Body, to_bytes};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use crate::config::BODY_BYTES_MAX;
use crate::problem::{Kind, Problem};

/// The ids in the address.
#[derive(Clone, Debug)]
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<T>::from_request_parts(parts, state).await;
        let Path(ids) = found.map_err(|err| bad_path(&err))?;
        Ok(Self(ids))
    }
}

fn bad_path(err: &PathRejection) -> Problem {
    let PathRejection::FailedToDeserializePathParams(err) = err else {
        return Problem::internal(err);
    };
    let reason = match err.kind() {
        ErrorKind::DeserializeError { message, .. } | ErrorKind::Message(message) => {
            message.clone()
        }
        ErrorKind::InvalidUtf8InPathParam { .. } => "it is not UTF-8".to_owned(),
        ErrorKind::WrongNumberOfParameters { .. }
        | ErrorKind::ParseErrorAtKey { .. }
        | ErrorKind::ParseErrorAtIndex { .. }
        | ErrorKind::ParseError { .. }
        | ErrorKind::UnsupportedType { .. }
        | _ => err.kind().to_string(),
    };
    Problem::new(Kind::IdInvalid, format!("An id in the address is not valid: {reason}."))
}

/// The query parameters; an unknown one is a problem, so that a misspelt `dry_run` changes nothing.
#[derive(Clone, Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = Query::<T>::try_from_uri(&parts.uri).map_err(|err| {
            let reason = std::error::Error::source(&err).map_or(String::new(), ToString::to_string);
            Problem::new(Kind::QueryInvalid, format!("The query is not valid: {reason}."))
        })?;
        Ok(Self(found.0))
    }
}

/// No query parameter at all: nobody may take a parameter for honoured that is not known here.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) else {
            return Ok(Self);
        };
        let detail = format!(
            "This address knows no query parameters, and the request has {query:?}; nothing was done."
        );
        Err(Problem::new(Kind::QueryInvalid, detail))
    }
}

/// A JSON body.
#[derive(Clone, Debug)]
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        if !is_json(&media_type) {
            let detail = format!(
                "The body must be application/json, and this one is said to be {media_type}."
            );
            return Err(Problem::new(Kind::MediaTypeUnsupported, detail));
        }
        let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
        Ok(Self(read_json(&bytes)?))
    }
}

/// The body's media type without its parameters, or "nothing".
#[must_use]
pub fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.split(';').next()).map(str::trim).unwrap_or_default();
    if given.is_empty() { "nothing".to_owned() } else { given.to_ascii_lowercase() }
}

/// Whether the media type is JSON.
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads a whole body of at most `bytes_max`.
///
/// # Errors
///
/// [`Kind::BodyTooLarge`], or [`Kind::BodyMalformed`] when the connection breaks.
pub async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(err) if is_too_large(&err) => {
            let detail = format!("The body has more than the {bytes_max} bytes allowed here.");
            Err(Problem::new(Kind::BodyTooLarge, detail))
        }
        Err(_) => Err(Problem::new(Kind::BodyMalformed, "The body ended before it was complete.")),
    }
}

fn is_too_large(err: &axum::Error) -> bool {
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        if cause.to_string().contains("length limit") {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Reads a JSON object, and says which field is wrong.
///
/// # Errors
///
/// A problem of status 400.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(empty_body());
    }
    // A list would be taken for an object's fields in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let detail = "The body must be an object, in braces, and this one is a list.";
        return Err(Problem::new(Kind::WrongType, detail));
    }
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|err| {
        let path = err.path().to_string();
        let err = err.into_inner();
        if is_syntax(&err) && is_json_text(bytes) {
            misfit(&path, &err)
        } else {
            bad_json(&path, &err)
        }
    })?;
    input.end().map_err(|err| bad_json(".", &err))?;
    Ok(value)
}

/// There is no body where one is needed.
pub(crate) fn empty_body() -> Problem {
    Problem::new(Kind::BodyMalformed, "The body is empty.")
}

fn is_syntax(err: &serde_json::Error) -> bool {
    matches!(err.classify(), Category::Syntax | Category::Eof)
}

fn is_json_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The parser gave up although the text is JSON: an object has more fields than one, for example.
fn misfit(path: &str, err: &serde_json::Error) -> Problem {
    let (line, column) = (err.line(), err.column());
    let detail = format!(
        "The body is JSON but not as documented{}: look at line {line}, column {column}.",
        place(path)
    );
    Problem::new(Kind::ValueInvalid, detail)
}

fn place(path: &str) -> String {
    if path == "." { String::new() } else { format!(", in {path}") }
}

/// Reads a value that was JSON.
///
/// # Errors
///
/// A problem of status 400.
pub fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|err| {
        let path = err.path().to_string();
        bad_field(&path, &err.into_inner().to_string())
    })
}

fn bad_json(path: &str, err: &serde_json::Error) -> Problem {
    match err.classify() {
        Category::Data => {
            let text = err.to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
            bad_field(path, message)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            let (line, column) = (err.line(), err.column());
            let detail = format!("The body is not JSON: look at line {line}, column {column}.");
            Problem::new(Kind::BodyMalformed, detail)
        }
    }
}

fn bad_field(path: &str, message: &str) -> Problem {
    let kinds = [
        ("missing field", Kind::MissingField),
        ("unknown field", Kind::UnknownField),
        ("duplicate field", Kind::DuplicateField),
        ("invalid type", Kind::WrongType),
    ];
    let found = kinds.into_iter().find(|(start, _)| message.starts_with(start));
    let kind = found.map_or(Kind::ValueInvalid, |(_, kind)| kind);
    let (place, message) = (place(path), without_types(message));
    Problem::new(kind, format!("The body is not as documented{place}: {message}."))
}

/// What serde says was expected, and the same for somebody who does not read Rust.
const EXPECTED: [(&str, &str); 10] = [
    ("expected u8", "expected a whole number from 0 to 255"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected u64", "expected a whole number"),
    ("expected a map", "expected an object"),
    ("expected map", "expected an object"),
    ("expected string or map", "expected a string or an object"),
    ("expected a sequence", "expected a list"),
    ("expected unit", "expected null"),
    (
        "expected a Decimal type representing a fixed-point number",
        "expected a decimal number in quotation marks, such as \"12.50\"",
    ),
];

/// What serde calls types, each followed by a type's name.
const NAMED: [(&str, &str); 6] = [
    ("expected internally tagged enum ", "expected an object"),
    ("expected struct variant ", "expected an object"),
    ("expected tuple struct ", "expected a value"),
    ("expected unit struct ", "expected null"),
    ("expected struct ", "expected an object"),
    ("expected enum ", "expected one of its documented values"),
];

/// A message of serde without the names of our types.
pub(crate) fn without_types(message: &str) -> String {
    for (start, plain) in NAMED {
        if let Some((head, _)) = message.split_once(start) {
            return format!("{head}{plain}");
        }
    }
    match EXPECTED.iter().find(|(expected, _)| message.ends_with(expected)) {
        Some((expected, plain)) => message.replace(expected, plain),
        None => message.to_owned(),
    }
}

/// A JSON object in which no object has a field twice.
#[derive(Clone, Debug)]
pub struct StrictObject(pub Map<String, Value>);

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = Strict::deserialize(input)?.0;
        let name = name_of(&value);
        let Value::Object(fields) = value else {
            let wrong = format_args!("invalid type: {name}, expected an object");
            return Err(serde::de::Error::custom(wrong));
        };
        Ok(Self(fields))
    }
}

const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = fields.next_entry::<String, _>()? {
            if all.contains_key(&name) {
                let twice = format_args!("duplicate field `{name}`");
                return Err(serde::de::Error::custom(twice));
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Seats {
        #[expect(dead_code, reason = "only read")]
        seats: u32,
    }

    fn code(text: &str) -> String {
        read_json::<Seats>(text.as_bytes()).unwrap_err().body.code
    }

    #[test]
    fn what_is_wrong_with_a_body_has_a_code_of_its_own() {
        assert_eq!(code("{"), "BODY_MALFORMED");
        assert_eq!(code(""), "BODY_MALFORMED");
        assert_eq!(code("{\"seats\":1}{"), "BODY_MALFORMED");
        assert_eq!(code("{}"), "MISSING_FIELD");
        assert_eq!(code("{\"seats\":1,\"x\":1}"), "UNKNOWN_FIELD");
        assert_eq!(code("{\"seats\":1,\"seats\":2}"), "DUPLICATE_FIELD");
        assert_eq!(code("{\"seats\":\"1\"}"), "WRONG_TYPE");
        assert_eq!(code("{\"seats\":1.5}"), "WRONG_TYPE");
        assert_eq!(code("{\"seats\":-1}"), "VALUE_INVALID");
        assert_eq!(code("{\"seats\":4294967296}"), "VALUE_INVALID");
        assert_eq!(code("[1]"), "WRONG_TYPE");
        assert_eq!(code("1"), "WRONG_TYPE");
    }

    #[test]
    fn what_is_said_of_a_body_names_no_type_of_ours() {
        let detail = |text: &str| read_json::<Seats>(text.as_bytes()).unwrap_err().body.detail;
        assert_eq!(detail(" \n"), "The body is empty.");
        assert_eq!(
            detail("1"),
            "The body is not as documented: invalid type: integer `1`, expected an object."
        );
        assert_eq!(
            detail("{\"seats\":\"1\"}"),
            "The body is not as documented, in seats: invalid type: string \"1\", expected a whole \
             number from 0 to 4294967295."
        );
        assert_eq!(
            detail("{\"seats\":1e400}"),
            "The body is JSON but not as documented, in seats: look at line 1, column 14."
        );
        let amount = read_json::<rust_decimal::Decimal>(b"\"12,50\"").unwrap_err().body.detail;
        assert!(
            amount.ends_with("a decimal number in quotation marks, such as \"12.50\"."),
            "{amount}"
        );
        let named = "invalid length 1, expected struct SeatsBody with 2 elements";
        assert_eq!(without_types(named), "invalid length 1, expected an object");
    }

    #[test]
    fn a_strict_object_has_no_field_twice_at_any_depth() {
        let read = |text: &str| read_json::<StrictObject>(text.as_bytes());
        assert_eq!(read("{\"a\":1,\"a\":2}").unwrap_err().body.code, "DUPLICATE_FIELD");
        assert_eq!(read("{\"a\":[{\"b\":1,\"b\":2}]}").unwrap_err().body.code, "DUPLICATE_FIELD");
        assert_eq!(read("[]").unwrap_err().body.code, "WRONG_TYPE");
        assert_eq!(read("{\"a\":[1,null,\"x\",true]}").unwrap().0.len(), 1);
    }
}
