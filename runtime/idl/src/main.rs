//! `thrill-idl`: checks `.thrift` files from the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use thrill_idl::breaking::breaking;
use thrill_idl::{Loaded, MissingIds, Options, load};

const USAGE: &str = "\
usage: thrill-idl check FILE… [-I DIR]…      tell the mistakes in files; the exit code is 1 if there are any errors
       thrill-idl breaking OLD NEW [-I DIR]…  tell what breaks peers; the exit code is 1 if anything does

  -I DIR                          look for included files in DIR too
  --missing-ids apache|thriftgo   number fields without an id as that compiler does
";

fn main() -> ExitCode {
    match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command.run(),
        Err(message) => {
            eprintln!("thrill-idl: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

struct Command {
    verb: Verb,
    files: Vec<PathBuf>,
    options: Options,
}

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Check,
    Breaking,
}

impl Command {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let verb = match args.next().as_deref() {
            Some("check") => Verb::Check,
            Some("breaking") => Verb::Breaking,
            Some(other) => return Err(format!("unknown command `{other}`")),
            None => return Err("no command".to_owned()),
        };
        let mut command = Self { verb, files: Vec::new(), options: Options::default() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-I" => command.options.include_dirs.push(args.next().ok_or("-I needs a folder")?.into()),
                "--missing-ids" => {
                    command.options.missing_ids = match args.next().as_deref() {
                        Some("apache") => MissingIds::Apache,
                        Some("thriftgo") => MissingIds::Thriftgo,
                        _ => return Err("--missing-ids is apache or thriftgo".to_owned()),
                    }
                }
                other if other.starts_with('-') => return Err(format!("unknown option `{other}`")),
                file => command.files.push(file.into()),
            }
        }
        if command.verb == Verb::Breaking && command.files.len() != 2 {
            return Err("breaking compares two files, the old one and the new one".to_owned());
        }
        Ok(command)
    }

    fn run(&self) -> ExitCode {
        let loaded: Vec<Loaded> = self.files.iter().map(|file| load(file, &self.options)).collect();
        let mut failed = false;
        for it in &loaded {
            eprint!("{}", it.diagnostics.render(&it.sources));
            failed |= it.diagnostics.has_errors();
        }
        if let (Verb::Breaking, [old, new], false) = (self.verb, loaded.as_slice(), failed) {
            for change in breaking(&old.program, &new.program) {
                println!("{change}\n  help: {}", change.rule.help());
                failed = true;
            }
        }
        ExitCode::from(u8::from(failed))
    }
}
