//! gRPC framing and the texts in its headers, as Kitex writes and reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::error::{Error, Failed, Result};
use crate::metadata::{decode_bin, encode_bin};
use crate::status::{BizStatusError, Code, Status};

/// The bytes before each message: a flag and a big-endian length.
pub(crate) const PREFIX: usize = 5;

/// The prefix of an uncompressed message; `len` is `None` where it does not fit.
pub(crate) fn put_prefix(len: usize) -> Option<[u8; PREFIX]> {
    let [a, b, c, d] = u32::try_from(len).ok()?.to_be_bytes();
    Some([0, a, b, c, d])
}

/// Reads a message's length from its prefix.
///
/// Only flag 1 means compressed; Kitex takes every other value as plain, and so do we.
pub(crate) fn parse_prefix(prefix: [u8; PREFIX], limit: usize) -> Result<usize> {
    let (is_compressed, len) = split_prefix(prefix);
    // Refused before the body is buffered: the length is only the peer's claim.
    if len > limit {
        return Err(Error::TooLarge { what: "received message (option `max_message_size`)", got: len, limit });
    }
    if is_compressed {
        return Err(Error::protocol("received a compressed message without a `grpc-encoding` that this side knows"));
    }
    Ok(len)
}

/// What a prefix says, unchecked: whether the message is compressed, and its length.
#[inline]
pub(crate) fn split_prefix([flag, len @ ..]: [u8; PREFIX]) -> (bool, usize) {
    (flag == 1, u32::from_be_bytes(len) as usize)
}

/// The longest number that `grpc-timeout` may carry.
const MAX_TIMEOUT: u128 = 99_999_999;

/// Writes `grpc-timeout` as Kitex does: the finest unit whose rounded-up number has at most eight digits.
pub(crate) fn encode_timeout(timeout: Duration) -> HeaderValue {
    const UNITS: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let nanos = timeout.as_nanos();
    let mut text = String::with_capacity(9);
    for (unit, letter) in UNITS {
        let number = nanos.div_ceil(unit);
        if number <= MAX_TIMEOUT || letter == 'H' {
            let _ = write!(text, "{}{letter}", number.min(MAX_TIMEOUT));
            break;
        }
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0n"))
}

/// Reads `grpc-timeout`. A negative number is a deadline that has passed, as Kitex reads it; `None` is malformed.
pub(crate) fn decode_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(2..=9).contains(&text.len()) {
        return None;
    }
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let number = u64::try_from(number).unwrap_or(0);
    Some(match unit {
        b'n' => Duration::from_nanos(number),
        b'u' => Duration::from_micros(number),
        b'm' => Duration::from_millis(number),
        b'S' => Duration::from_secs(number),
        b'M' => Duration::from_secs(number * 60),
        b'H' => Duration::from_secs(number * 3600),
        _ => return None,
    })
}

/// Percent-encodes a `grpc-message`.
pub(crate) fn encode_message(text: &str) -> HeaderValue {
    let is_plain = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'%';
    let encoded = if text.bytes().all(is_plain) {
        HeaderValue::from_str(text)
    } else {
        let mut out = String::with_capacity(text.len() + 16);
        for byte in text.bytes() {
            if is_plain(byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        HeaderValue::try_from(out)
    };
    encoded.unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Decodes a `grpc-message`; what is no `%` with two hex digits stays as it is.
pub(crate) fn decode_message(text: &[u8]) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match tail {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            out.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const BIZ_STATUS: HeaderName = HeaderName::from_static("biz-status");
const BIZ_EXTRA: HeaderName = HeaderName::from_static("biz-extra");

/// How a call ended: `grpc-status`, `grpc-message`, and what a business error adds.
pub(crate) fn status(outcome: Result<(), (&Error, Failed)>) -> HeaderMap {
    // To copy them is quicker than to put them together.
    static SUCCESS: LazyLock<HeaderMap> = LazyLock::new(|| {
        let (code, message) = (HeaderValue::from_static("0"), HeaderValue::from_static(""));
        [(GRPC_STATUS, code), (GRPC_MESSAGE, message)].into_iter().collect()
    });
    match outcome {
        Ok(()) => SUCCESS.clone(),
        Err((err, failed)) => {
            let mut trailers = HeaderMap::new();
            put_error(&mut trailers, err, failed);
            trailers
        }
    }
}

/// Writes how a call failed; see [`status`].
pub(crate) fn put_error(trailers: &mut HeaderMap, err: &Error, failed: Failed) {
    if let Some(biz) = err.biz() {
        return put_biz(trailers, biz);
    }
    let mut text = err.message();
    if failed == Failed::InHandler {
        text.push_str(" [biz error]");
    }
    trailers.insert(GRPC_STATUS, HeaderValue::from(err.code().0));
    trailers.insert(GRPC_MESSAGE, encode_message(&text));
    if let Error::Status(status) = err {
        put_details(trailers, status);
    }
}

fn put_biz(trailers: &mut HeaderMap, biz: &BizStatusError) {
    let (code, message) =
        biz.status().map_or((Code::INTERNAL, biz.message()), |status| (status.code(), status.message()));
    trailers.insert(GRPC_STATUS, HeaderValue::from(code.0));
    trailers.insert(GRPC_MESSAGE, encode_message(message));
    trailers.insert(BIZ_STATUS, HeaderValue::from(biz.code()));
    if !biz.extra().is_empty() {
        if let Ok(value) = HeaderValue::from_bytes(encode_extra(biz.extra()).as_bytes()) {
            trailers.insert(BIZ_EXTRA, value);
        }
    }
    if let Some(status) = biz.status() {
        put_details(trailers, status);
    }
}

fn put_details(trailers: &mut HeaderMap, status: &Status) {
    if !status.details().is_empty() {
        trailers.insert(DETAILS, encode_bin(status.details()));
    }
}

/// JSON as Go writes it: `<`, `>` and `&` escaped, other text raw.
fn encode_extra(extra: &BTreeMap<String, String>) -> String {
    let json = serde_json::to_string(extra).unwrap_or_default();
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\u{7f}', "\\u007f")
}

/// Reads how a call ended. `Ok(Ok)`: it succeeded; `Ok(Err)`: what the peer says; `Err`: trailers that break the protocol.
pub(crate) fn parse_status(trailers: &HeaderMap) -> Result<Result<()>> {
    let (mut code, mut message, mut biz, mut extra, mut details) = (None, None, None, None, None);
    for (name, value) in trailers {
        let malformed = || Error::protocol(format!("transport: malformed {name}: {value:?}"));
        let first = match name.as_str() {
            "grpc-status" => &mut code,
            "biz-status" => &mut biz,
            "grpc-message" => {
                message.get_or_insert(value);
                continue;
            }
            "biz-extra" => {
                let pairs: BTreeMap<String, String> =
                    serde_json::from_slice(value.as_bytes()).map_err(|_| malformed())?;
                extra.get_or_insert(pairs);
                continue;
            }
            "grpc-status-details-bin" => {
                let bytes = decode_bin(value.as_bytes()).ok_or_else(malformed)?;
                let (code, message) = parse_details(&bytes).ok_or_else(malformed)?;
                details.get_or_insert(Status::new(code, message).with_details(bytes));
                continue;
            }
            _ => continue,
        };
        let number = parse_number(value).ok_or_else(malformed)?;
        first.get_or_insert(number);
    }
    let status = || match code {
        // A trailer without a status: Kitex reports code 2.
        None => Status::new(Code::UNKNOWN, ""),
        Some(0) => Status::new(Code::OK, ""),
        Some(code) => Status::new(code, message.map_or_else(String::new, |text| decode_message(text.as_bytes()))),
    };
    let status = details.unwrap_or_else(status);
    if status.code() == Code::OK {
        // A business status beside success is ignored, as Kitex does.
        return Ok(Ok(()));
    }
    Ok(Err(match biz {
        None => status.into(),
        Some(biz) => {
            let message = status.message().to_owned();
            BizStatusError::new(biz, message).with_all_extra(extra.unwrap_or_default()).with_status(status).into()
        }
    }))
}

fn parse_number(value: &HeaderValue) -> Option<i32> {
    std::str::from_utf8(value.as_bytes()).ok()?.parse().ok()
}

/// What Kitex reads of the headers of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestHead<'a> {
    /// What follows `application/grpc+`; `None` where the request is not gRPC.
    pub(crate) subtype: Option<&'a [u8]>,
    /// How long the call may take.
    pub(crate) timeout: Option<Duration>,
}

/// Reads the headers of a request; `None` where one is malformed. Kitex parses some that mean nothing in a request.
pub(crate) fn parse_head(headers: &HeaderMap) -> Option<RequestHead<'_>> {
    let mut head = RequestHead::default();
    for (name, value) in headers {
        let bytes = value.as_bytes();
        match name.as_str() {
            "content-type" => head.subtype = head.subtype.or_else(|| content_subtype(bytes)),
            "grpc-timeout" => head.timeout = Some(decode_timeout(bytes)?),
            "grpc-status" | "biz-status" => drop(parse_number(value)?),
            "biz-extra" => drop(serde_json::from_slice::<BTreeMap<String, String>>(bytes).ok()?),
            "grpc-status-details-bin" | "grpc-tags-bin" | "grpc-trace-bin" => drop(decode_bin(bytes)?),
            _ => {}
        }
    }
    Some(head)
}

/// Code and message of a serialized `google.rpc.Status`: field 1 is an int32, field 2 a string, field 3 the details.
fn parse_details(mut rest: &[u8]) -> Option<(i32, String)> {
    let (mut code, mut message) = (0, String::new());
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut rest)?;
                if tag >> 3 == 1 {
                    // An int32 travels sign-extended to 64 bits.
                    code = i32::try_from(value as i64).ok()?;
                }
            }
            2 => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                let (value, tail) = rest.split_at_checked(len)?;
                rest = tail;
                if tag >> 3 == 2 {
                    message = String::from_utf8_lossy(value).into_owned();
                }
            }
            1 => rest = rest.get(8..)?,
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some((code, message))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// What the path of a request names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    pub(crate) service: &'a str,
    pub(crate) method: &'a str,
}

/// Splits a path as Kitex does: the method after the last `/`, the service after the last `.` before it; the package is
/// not looked at.
pub(crate) fn parse_path(path: &str) -> Option<Path<'_>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (full, method) = path.rsplit_once('/')?;
    let service = full.rsplit_once('.').map_or(full, |(_, service)| service);
    Some(Path { service, method })
}

/// The part of a gRPC content type that names the payload: `thrift` of `application/grpc+thrift`. `None`: not gRPC.
pub(crate) fn content_subtype(content_type: &[u8]) -> Option<&[u8]> {
    match content_type.strip_prefix(b"application/grpc")? {
        [] => Some(&[]),
        [b'+' | b';', subtype @ ..] => Some(subtype),
        _ => None,
    }
}

/// The error of a response that is not gRPC at all: code and text as Kitex's client gives them.
pub(crate) fn not_grpc(http_status: http::StatusCode, content_type: Option<&HeaderValue>) -> Error {
    let code = match http_status.as_u16() {
        400 => Code::INTERNAL,
        401 => Code::UNAUTHENTICATED,
        403 => Code::PERMISSION_DENIED,
        404 => Code::UNIMPLEMENTED,
        429 | 502 | 503 | 504 => Code::UNAVAILABLE,
        _ => Code::UNKNOWN,
    };
    let reason = http_status.canonical_reason().unwrap_or_default();
    let number = http_status.as_u16();
    let what = content_type.map_or_else(
        || "transport: missing content-type field".to_owned(),
        |value| format!("transport: received the unexpected content-type {value:?}"),
    );
    Error::status(code, format!("{reason}: HTTP status code {number}; {what}"))
}

/// Serialized `google.rpc.Status` bytes for tests of what a peer may send.
#[cfg(test)]
fn details(code: u8, message: &str) -> Vec<u8> {
    let len = u8::try_from(message.len()).unwrap();
    [&[8, code, 18, len], message.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_refused_by_their_claim() {
        let rows: &[([u8; 5], &str)] = &[
            ([0, 0, 0, 0, 9], "9"),
            ([2, 0, 0, 0, 9], "9"),
            ([1, 0, 0, 0, 9], "compressed message"),
            ([0, 0, 0, 0, 101], "larger than the limit of 100 bytes"),
            ([0, 255, 255, 255, 255], "of 4294967295 bytes is larger"),
            ([0, 0, 0, 0, 0], "0"),
        ];
        for (prefix, want) in rows {
            let got = parse_prefix(*prefix, 100).map_or_else(|err| err.to_string(), |len| len.to_string());
            assert!(got.contains(want), "{prefix:?}: {got}");
        }
    }

    #[test]
    fn timeouts_have_kitex_units() {
        let rows = [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(49_826_902), "49826902n"),
            (Duration::from_micros(109_822), "109822u"),
            (Duration::from_micros(2_999_540), "2999540u"),
            (Duration::from_secs(101), "101000m"),
            (Duration::from_secs(28 * 3600), "100800S"),
            (Duration::from_secs(u64::MAX), "99999999H"),
        ];
        for (timeout, want) in rows {
            assert_eq!(encode_timeout(timeout), want);
        }
    }

    #[test]
    fn timeouts_are_read_in_every_unit() {
        let rows = [
            ("0n", Some(Duration::ZERO)),
            ("50m", Some(Duration::from_millis(50))),
            ("-5S", Some(Duration::ZERO)),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("m", None),
            ("", None),
            ("5", None),
            ("5x", None),
            ("123456789n", None),
            ("1.5S", None),
        ];
        for (text, want) in rows {
            assert_eq!(decode_timeout(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn messages_survive_percent_coding() {
        for text in ["", "plain", "100% é\nline", "日本", "%41"] {
            assert_eq!(decode_message(encode_message(text).as_bytes()), text);
        }
        assert_eq!(encode_message("100% é\n"), "100%25 %C3%A9%0A");
        assert_eq!(decode_message(b"a%20b%zz%"), "a b%zz%");
        assert_eq!(decode_message(b"%ff"), "\u{fffd}");
    }

    #[test]
    fn paths_name_service_and_method() {
        let rows = [
            ("/echo.TestService/Echo", Some(("TestService", "Echo"))),
            ("/TestService/Echo", Some(("TestService", "Echo"))),
            ("echo.TestService/Echo", Some(("TestService", "Echo"))),
            ("/a/p.TestService/Echo", Some(("TestService", "Echo"))),
            ("/TestService/", Some(("TestService", ""))),
            ("/Echo", None),
            ("", None),
        ];
        for (path, want) in rows {
            assert_eq!(parse_path(path), want.map(|(service, method)| Path { service, method }), "{path}");
        }
    }

    #[test]
    fn content_types_are_exact() {
        let rows: [(&str, Option<&str>); 7] = [
            ("application/grpc+thrift", Some("thrift")),
            ("application/grpc;thrift", Some("thrift")),
            ("application/grpc", Some("")),
            ("application/grpc+proto", Some("proto")),
            ("application/grpc-web", None),
            ("Application/grpc+thrift", None),
            ("text/html", None),
        ];
        for (text, want) in rows {
            assert_eq!(content_subtype(text.as_bytes()), want.map(str::as_bytes), "{text}");
        }
    }

    fn read(rows: &[(&str, &str)]) -> String {
        let mut trailers = HeaderMap::new();
        for (name, value) in rows {
            trailers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match parse_status(&trailers) {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(Error::Biz(biz))) => format!("{biz} {:?}", biz.extra()),
            Ok(Err(err)) => err.to_string(),
            Err(err) => format!("broken: {err}"),
        }
    }

    #[test]
    fn trailers_are_read_as_kitex_reads_them() {
        let rows: &[(&[(&str, &str)], &str)] = &[
            (&[("grpc-status", "0"), ("grpc-message", "")], "ok"),
            (&[("grpc-status", "0"), ("biz-status", "404")], "ok"),
            (&[("grpc-status", "99"), ("grpc-message", "a%20b")], "rpc error: code = 99 desc = a b"),
            (&[], "rpc error: code = 2 desc = "),
            (&[("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "404")], "biz error: code=404, msg=bm {}"),
            (
                &[("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "0"), ("biz-extra", r#"{"k":"é"}"#)],
                "biz error: code=0, msg=bm {\"k\": \"é\"}",
            ),
            (&[("grpc-status", "x")], "broken: transport: malformed grpc-status: \"x\""),
            (&[("grpc-status", "1"), ("biz-status", "x")], "broken: transport: malformed biz-status: \"x\""),
            (&[("grpc-status", "1"), ("biz-extra", "x")], "broken: transport: malformed biz-extra: \"x\""),
        ];
        for (trailers, want) in rows {
            assert_eq!(read(trailers), *want);
        }
    }

    #[test]
    fn details_win_over_code_and_message() {
        let text = encode_bin(&details(5, "gone"));
        assert_eq!(
            read(&[("grpc-status", "13"), ("grpc-status-details-bin", text.to_str().unwrap())]),
            "rpc error: code = 5 desc = gone"
        );
        for (bytes, what) in [(&[8u8][..], "cut varint"), (&[18, 200, 1], "cut string"), (&[15], "no wire type")] {
            assert_eq!(parse_details(bytes), None, "{what}");
        }
    }

    #[test]
    fn outcomes_become_trailers() {
        let biz = BizStatusError::new(-7, "no").with_extra("k", "<v>");
        type Outcome = Result<(), (Error, Failed)>;
        let rows: [(Outcome, &str); 5] = [
            (Ok(()), "0||None|None"),
            (Err((Error::new("boom"), Failed::InHandler)), "13|boom [biz error]|None|None"),
            (Err((Error::status(5, "nf"), Failed::InHandler)), "5|nf [biz error]|None|None"),
            (Err((Error::status(20, "unknown service X"), Failed::InFramework)), "20|unknown service X|None|None"),
            (
                Err((biz.into(), Failed::InHandler)),
                "13|no|Some(\"-7\")|Some(\"{\\\"k\\\":\\\"\\\\u003cv\\\\u003e\\\"}\")",
            ),
        ];
        for (outcome, want) in rows {
            let trailers = status(outcome.as_ref().copied().map_err(|(err, failed)| (err, *failed)));
            let text = |name: &str| trailers.get(name).map(|value| value.to_str().unwrap());
            let got = format!(
                "{}|{}|{:?}|{:?}",
                text("grpc-status").unwrap(),
                text("grpc-message").unwrap(),
                text("biz-status"),
                text("biz-extra")
            );
            assert_eq!(got, want);
        }
    }
}
