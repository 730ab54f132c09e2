//! Names: what Rust calls a thing, and what the wire does.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;

/// A naming convention that `rename_all` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
}

impl Case {
    /// Every convention by the name that is one of its own.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("PascalCase", Self::Pascal),
        ("camelCase", Self::Camel),
        ("snake_case", Self::Snake),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
    ];

    /// Finds a convention by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, case)| case)
    }

    /// Rewrites a name. Leading underscores stay, since they tell names apart.
    pub(crate) fn apply(self, name: &str) -> String {
        let bare = name.trim_start_matches('_');
        let prefix = &name[..name.len() - bare.len()];
        let words = words(bare);
        let rest = match self {
            Self::Pascal => words.iter().map(|word| capitalized(word)).collect(),
            Self::Camel => words
                .iter()
                .enumerate()
                .map(|(i, word)| if i == 0 { word.clone() } else { capitalized(word) })
                .collect(),
            Self::Snake => words.join("_"),
            Self::ScreamingSnake => words.join("_").to_uppercase(),
        };
        format!("{prefix}{rest}")
    }
}

/// An identifier's text without `r#`.
pub(crate) fn unraw(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Tokens as a person writes them. `TokenStream` has spaces around all punctuation, or not, as the compiler likes.
pub(crate) fn spelled(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    spell(tokens.to_token_stream(), &mut text);
    text
}

fn spell(tokens: TokenStream, text: &mut String) {
    let mut before = Spelled::Nothing;
    for token in tokens {
        let kind = match &token {
            TokenTree::Group(_) => Spelled::Group,
            TokenTree::Ident(_) | TokenTree::Literal(_) => Spelled::Word,
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => Spelled::Separator,
                ':' if punct.spacing() == Spacing::Alone && !text.ends_with(':') => Spelled::Separator,
                '+' | '-' | '*' | '/' | '%' | '|' | '=' | '^' if matches!(before, Spelled::Word | Spelled::Group) => {
                    Spelled::Operator
                }
                _ => Spelled::Glue,
            },
        };
        if matches!(
            (before, kind),
            (Spelled::Separator | Spelled::Operator, _)
                | (Spelled::Word | Spelled::Group, Spelled::Word | Spelled::Operator)
        ) {
            text.push(' ');
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => (" { ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell(group.stream(), text);
                text.push_str(close);
            }
            other => text.push_str(&other.to_string()),
        }
        before = kind;
    }
}

/// What stands before a token, as far as a space after it depends on it.
#[derive(Clone, Copy)]
enum Spelled {
    Nothing,
    Word,
    Group,
    /// Punctuation with a space after it.
    Separator,
    /// Punctuation with spaces around it.
    Operator,
    /// Punctuation without.
    Glue,
}

/// Whether the IDL can spell a name.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether the IDL can spell a namespace: identifiers with dots between them.
pub(crate) fn is_namespace(name: &str) -> bool {
    name.split('.').all(is_identifier)
}

/// Whether a package can stand in a stream's path.
pub(crate) fn is_package(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A stream's path.
pub(crate) fn path(package: Option<&str>, service: &str, method: &str) -> String {
    match package {
        Some(package) => format!("/{package}.{service}/{method}"),
        None => format!("/{service}/{method}"),
    }
}

/// The package in a stream's path: as Kitex has it, the last part of the namespace, in lower case.
pub(crate) fn package(namespace: Option<&str>) -> Option<String> {
    Some(namespace?.rsplit('.').next()?.to_lowercase())
}

/// What was probably meant by a name that is not known.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = 1 + name.len() / 4;
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The words of a name, in lower case: split at underscores, and where an upper-case letter begins a word.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && !chars[i - 1].is_uppercase();
        // The last letter before small ones begins a word of its own, `HTTPServer`, unless they are only a plural: `IDs`.
        let is_plural = chars.get(i + 1) == Some(&'s') && !chars.get(i + 2).is_some_and(|next| next.is_alphanumeric());
        let before_lower = !is_plural && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c == '_' || (c.is_uppercase() && (after_lower || before_lower)) {
            words.push(std::mem::take(&mut word));
        }
        if c != '_' {
            word.extend(c.to_lowercase());
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The edit distance between two names.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_split_at_words() {
        let rows = [
            ("echo", "Echo", "echo", "echo", "ECHO"),
            ("echo_ping_pong", "EchoPingPong", "echoPingPong", "echo_ping_pong", "ECHO_PING_PONG"),
            ("echoPingPong", "EchoPingPong", "echoPingPong", "echo_ping_pong", "ECHO_PING_PONG"),
            ("EchoPingPong", "EchoPingPong", "echoPingPong", "echo_ping_pong", "ECHO_PING_PONG"),
            ("get_v2_id", "GetV2Id", "getV2Id", "get_v2_id", "GET_V2_ID"),
            ("HTTPServer", "HttpServer", "httpServer", "http_server", "HTTP_SERVER"),
            ("a__b_", "AB", "aB", "a_b", "A_B"),
            ("userIDs", "UserIds", "userIds", "user_ids", "USER_IDS"),
            ("IDs_of", "IdsOf", "idsOf", "ids_of", "IDS_OF"),
            ("_echo", "_Echo", "_echo", "_echo", "_ECHO"),
        ];
        for (name, pascal, camel, snake, screaming) in rows {
            let got = Case::ALL.map(|(_, case)| case.apply(name));
            assert_eq!(got, [pascal, camel, snake, screaming], "{name}");
        }
    }

    #[test]
    fn cases_are_found_by_their_names_only() {
        assert_eq!(Case::named("camelCase"), Some(Case::Camel));
        assert_eq!(Case::named("camel"), None);
    }

    #[test]
    fn identifiers_are_what_the_idl_can_spell() {
        let rows =
            [("a", true), ("_a1", true), ("", false), ("1a", false), ("a b", false), ("a.b", false), ("ä", false)];
        for (name, want) in rows {
            assert_eq!(is_identifier(name), want, "{name:?}");
        }
        for (name, want) in
            [("a", true), ("a.b_c.d1", true), ("", false), ("a..b", false), (".a", false), ("a.1", false)]
        {
            assert_eq!(is_namespace(name), want, "{name:?}");
        }
    }

    #[test]
    fn nearest_finds_typing_mistakes() {
        let known = ["id", "rename", "required", "default"];
        let rows = [
            ("requird", Some("required")),
            ("renam", Some("rename")),
            ("defualt", Some("default")),
            ("di", None),
            ("ids", Some("id")),
            ("optional", None),
        ];
        for (name, want) in rows {
            assert_eq!(nearest(name, &known), want, "{name}");
        }
    }

    #[test]
    fn tokens_are_spelled_as_written() {
        let rows = [
            "Vec<a::B>",
            "(A, B)",
            "&'a str",
            "::a::Map<K, Vec<V>>",
            "()",
            "vec![1, -2]",
            "\"hi\".to_owned()",
            "LIMIT * 2 - f(-1)",
            "S { a: x as u8 }",
            "0..5",
        ];
        for text in rows {
            let tokens: TokenStream = text.parse().expect(text);
            assert_eq!(spelled(&tokens), text);
        }
    }

    #[test]
    fn raw_identifiers_lose_their_prefix() {
        assert_eq!(unraw(&syn::parse_quote!(r#type)), "type");
        assert_eq!(unraw(&syn::parse_quote!(plain)), "plain");
    }
}
