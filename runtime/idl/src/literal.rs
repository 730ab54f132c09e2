//! The values of number and string tokens.

use crate::ast::Radix;

/// What is wrong with a number, and what to do about it.
pub(crate) struct BadNumber {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// A zero before a number that is not octal: the number is clear, and still thriftgo reads another one.
pub(crate) fn misleading_zero(text: &str) -> Option<BadNumber> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_misleading = digits.len() > 1 && digits.starts_with('0') && digits.contains(['8', '9']);
    // In a hexadecimal number these are digits like all others.
    (is_misleading && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| BadNumber {
        message: format!("`{text}` begins with a zero: thriftgo reads it as octal, and gets another number"),
        help: "remove the zero".to_owned(),
    })
}

/// The value of an integer token.
pub(crate) fn integer(text: &str) -> Result<(i64, Radix), BadNumber> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let (digits, radix, base) = if let Some(digits) = digits.strip_prefix("0x") {
        (digits, Radix::Hexadecimal, 16)
    } else if let Some(digits) = digits.strip_prefix("0o") {
        (digits, Radix::Octal, 8)
    } else {
        // Where both readings agree, as in `01`, nothing is ambiguous, nor where only one is possible.
        let stripped = digits.trim_start_matches('0');
        if stripped.len() < digits.len() && stripped.len() > 1 && !stripped.contains(['8', '9']) {
            let message = format!("`{text}` is ambiguous: Apache Thrift reads it as decimal, thriftgo as octal");
            let help = format!("write `{sign}{stripped}`, or `{sign}0o{stripped}` for octal");
            return Err(BadNumber { message, help });
        }
        (digits, Radix::Decimal, 10)
    };
    // The sign comes first: the smallest number has no positive twin.
    let magnitude = u64::from_str_radix(digits, base).ok();
    let value = magnitude.and_then(|magnitude| match sign {
        "" => i64::try_from(magnitude).ok(),
        _ => 0_i64.checked_sub_unsigned(magnitude),
    });
    match value {
        Some(value) => Ok((value, radix)),
        None => Err(BadNumber {
            message: format!("`{text}` does not fit in 64 bits"),
            help: "an integer lies between -9223372036854775808 and 9223372036854775807".to_owned(),
        }),
    }
}

/// The value of a double token; `None` where it is too large.
pub(crate) fn double(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A mistake inside a string: the bytes from the token's start, what is wrong, what to do.
pub(crate) struct BadEscape {
    pub(crate) range: std::ops::Range<usize>,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// The value of a string token. An escape that is none stays as it is written, and is told to `report`.
pub(crate) fn string(token: &str, report: &mut dyn FnMut(BadEscape)) -> String {
    let inner = &token[1..token.len() - 1];
    if !inner.contains('\\') {
        return inner.to_owned();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at..];
        let length = match escape_value(escape) {
            Some((value, length)) => {
                bytes.extend_from_slice(value.as_slice());
                length
            }
            None => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                // Of the token, which has a quote before `inner`.
                let start = 1 + inner.len() - escape.len();
                report(BadEscape {
                    range: start..start + length,
                    message: format!("unknown escape `\\{}`", escape[1..length].escape_debug()),
                    help: r#"escapes are \n \r \t \a \b \f \v \0 \\ \" \' \xHH and \uHHHH; a backslash itself is `\\`"#,
                });
                bytes.extend_from_slice(&escape.as_bytes()[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|err| {
        report(BadEscape {
            range: 0..token.len(),
            message: "the bytes of this string are not UTF-8".to_owned(),
            help: r"write characters as \uHHHH: a Thrift string is text",
        });
        String::from_utf8_lossy(err.as_bytes()).into_owned()
    })
}

/// What an escape stands for.
enum Escaped {
    Byte([u8; 1]),
    Char([u8; 4], usize),
}

impl Escaped {
    fn char(c: char) -> Self {
        let mut buffer = [0; 4];
        let length = c.encode_utf8(&mut buffer).len();
        Self::Char(buffer, length)
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => byte,
            Self::Char(buffer, length) => &buffer[..*length],
        }
    }
}

/// What the escape at the start of `text` stands for, and how long it is.
fn escape_value(text: &str) -> Option<(Escaped, usize)> {
    let byte = |byte| Some((Escaped::Byte([byte]), 2));
    match text.as_bytes().get(1)? {
        b'n' => byte(b'\n'),
        b'r' => byte(b'\r'),
        b't' => byte(b'\t'),
        b'0' => byte(0),
        b'a' => byte(0x07),
        b'b' => byte(0x08),
        b'f' => byte(0x0c),
        b'v' => byte(0x0b),
        b'\\' => byte(b'\\'),
        b'"' => byte(b'"'),
        b'\'' => byte(b'\''),
        b'x' => {
            let value = u8::try_from(hex(text.get(2..4)?)?).ok()?;
            Some((Escaped::Byte([value]), 4))
        }
        b'u' => {
            let first = hex(text.get(2..6)?)?;
            if let Some(c) = char::from_u32(first) {
                return Some((Escaped::char(c), 6));
            }
            // A character beyond 16 bits is written as two of them.
            let second = hex(text.get(6..12)?.strip_prefix("\\u")?)?;
            let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            let c = char::decode_utf16(pair).next()?.ok()?;
            Some((Escaped::char(c), 12))
        }
        _ => None,
    }
}

fn hex(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
