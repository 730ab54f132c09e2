//! A committed `.thrift` file beside the services that it describes.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

use super::diff;
use crate::idl::{self, Change};
use crate::schema::Service;

/// Compares the file with the services, or writes it anew where `UPDATE_IDL` asks for that. An error says what to do.
pub(super) fn is_in_step(path: &Path, services: &[&Service]) -> Result<(), String> {
    compare(path, services, env::var_os("UPDATE_IDL").as_deref())
}

fn compare(path: &Path, services: &[&Service], update: Option<&OsStr>) -> Result<(), String> {
    let shown = path.display();
    let exported = idl::export(services).map_err(|err| format!("there is no IDL for {shown}: {err}"))?;
    let committed = match fs::read_to_string(path) {
        // Git may have changed the line ends.
        Ok(text) => Some(text.replace("\r\n", "\n")),
        Err(err) if err.kind() == io::ErrorKind::NotFound => None,
        Err(err) => return Err(format!("cannot read {shown}: {err}")),
    };
    match (committed, update) {
        (Some(committed), _) if committed == exported => Ok(()),
        (Some(committed), None) => Err(format!(
            "{shown} is not what the services say (- the file, + the services):\n\n{}\n`UPDATE_IDL=1 cargo test` writes \
            it anew",
            diff::lines(&committed, &exported)
        )),
        (None, None) => Err(format!("there is no {shown}: `UPDATE_IDL=1 cargo test` writes it")),
        (committed, Some(update)) => {
            let breaks = match committed {
                Some(committed) if update != "breaking" => idl::breaking_files(&committed, &exported),
                _ => Vec::new(),
            };
            if breaks.is_empty() { write(path, &exported) } else { Err(listed(path, &breaks)) }
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|err| format!("cannot write {}: {err}", path.display()))
}

/// The changes that break peers, one by one.
pub(super) fn listed(path: &Path, changes: &[Change]) -> String {
    let mut text = format!("this breaks peers that were built with `{}`:\n", path.display());
    for change in changes {
        let _ = writeln!(text, "  {change}\n    help: {}", change.rule.help());
    }
    text.push_str("if no such peer is left, `UPDATE_IDL=breaking cargo test` writes the file anew");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Method, Mode, Type};

    const fn service(name: &'static str, methods: &'static [Method]) -> Service {
        Service { name, namespace: "x", docs: "", extends: None, methods }
    }

    const fn method(name: &'static str, result: Type) -> Method {
        Method {
            service: "S",
            name,
            path: "",
            mode: Mode::PingPong,
            oneway: false,
            docs: "",
            arguments: &[],
            result: Some(result),
            throws: &[],
        }
    }

    #[test]
    fn a_file_is_compared_and_written_anew_only_when_asked_and_when_nothing_breaks() {
        let folder = env::temp_dir().join(format!("thrill-idl-file-{}", std::process::id()));
        let path = folder.join("idl/s.thrift");
        const NARROW: &[Method] = &[method("a", Type::I32)];
        const WIDE: &[Method] = &[method("a", Type::I64), method("b", Type::I64)];
        let (narrow, wide) = (service("S", NARROW), service("S", WIDE));
        let (one, breaking) = (Some(OsStr::new("1")), Some(OsStr::new("breaking")));

        let missing = compare(&path, &[&narrow], None).unwrap_err();
        assert!(missing.ends_with("idl/s.thrift: `UPDATE_IDL=1 cargo test` writes it"), "{missing}");
        assert_eq!(compare(&path, &[&narrow], one), Ok(()));
        assert_eq!(compare(&path, &[&narrow], None), Ok(()));

        let differs = compare(&path, &[&wide], None).unwrap_err();
        assert!(differs.contains("\n-     i32 a(),\n+     i64 a(),\n+     i64 b(),\n"), "{differs}");
        let breaks = compare(&path, &[&wide], one).unwrap_err();
        assert!(breaks.contains("  result-changed: the result of `a` was `i32` and is `i64`\n    help: "), "{breaks}");
        let added = compare(&path, &[&service("T", WIDE), &wide], one).unwrap_err();
        assert_eq!(added, breaks, "a service that is new hides nothing");
        let removed = compare(&path, &[&service("T", WIDE)], one).unwrap_err();
        assert!(removed.contains("  service-removed: service `S` is gone\n    help: "), "{removed}");
        assert_eq!(compare(&path, &[&narrow], None), Ok(()), "the file is as it was");
        assert_eq!(compare(&path, &[&wide], breaking), Ok(()));
        assert_eq!(compare(&path, &[&wide], None), Ok(()));

        fs::remove_dir_all(folder).unwrap();
    }
}
