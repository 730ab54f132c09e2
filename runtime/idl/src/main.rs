//! `thrill-idl`: `.thrift` files from the command line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use thrill_idl::breaking::breaking;
use thrill_idl::{Loaded, MissingIds, Options, load, print};

const USAGE: &str = "\
usage:
  thrill-idl check FILE…         tell all mistakes in files
  thrill-idl print FILE          print a file as resolved, formatted IDL
  thrill-idl breaking OLD NEW    tell the changes that break peers which have OLD

options:
  -I DIR                           look for included files in DIR too; may be given again
  --missing-ids apache|thriftgo    number fields without an id as that compiler does
  --deny-warnings                  take warnings for errors

The exit code is 0 if all is well, 1 if there are errors or breaking changes, 2 if the command is wrong.
";

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(Some(command)) => command,
        Ok(None) => {
            print_out(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("thrill-idl: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    ExitCode::from(u8::from(!command.run()))
}

enum Task {
    Check(Vec<PathBuf>),
    Print(PathBuf),
    Breaking(PathBuf, PathBuf),
}

struct Command {
    task: Task,
    options: Options,
    deny_warnings: bool,
}

impl Command {
    /// The command that the arguments say; `None` where they ask for help.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut words: Vec<String> = Vec::new();
        let mut options = Options::default();
        let mut deny_warnings = false;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-h" | "--help" => return Ok(None),
                "-I" => options.include_dirs.push(args.next().ok_or("-I needs a folder")?.into()),
                "--deny-warnings" => deny_warnings = true,
                "--missing-ids" => {
                    options.missing_ids = match args.next().as_deref() {
                        Some("apache") => MissingIds::Apache,
                        Some("thriftgo") => MissingIds::Thriftgo,
                        _ => return Err("--missing-ids is apache or thriftgo".to_owned()),
                    }
                }
                option => match option.strip_prefix("-I") {
                    Some(dir) => options.include_dirs.push(dir.into()),
                    None if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
                    None => words.push(arg),
                },
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let task = match words[..] {
            ["check", _, ..] => Task::Check(words[1..].iter().map(PathBuf::from).collect()),
            ["print", file] => Task::Print(file.into()),
            ["breaking", old, new] => Task::Breaking(old.into(), new.into()),
            ["check"] => return Err("check needs a file".to_owned()),
            ["print", ..] => return Err("print needs one file".to_owned()),
            ["breaking", ..] => return Err("breaking needs two files".to_owned()),
            [other, ..] => return Err(format!("unknown command `{other}`")),
            [] => return Err("there is no command".to_owned()),
        };
        Ok(Some(Self { task, options, deny_warnings }))
    }

    /// Whether all is well.
    fn run(&self) -> bool {
        match &self.task {
            Task::Check(files) => {
                let mut healthy = true;
                for file in files {
                    healthy &= self.load(file).1;
                }
                healthy
            }
            Task::Print(file) => {
                let (loaded, healthy) = self.load(file);
                if healthy {
                    print_out(&print(&loaded.program.to_ast(loaded.program.root().id)));
                }
                healthy
            }
            Task::Breaking(old, new) => {
                let (old, old_healthy) = self.load(old);
                let (new, new_healthy) = self.load(new);
                if !old_healthy || !new_healthy {
                    return false;
                }
                let found = breaking(&old.program, &new.program);
                for change in &found {
                    print_out(&format!("error: {}\n\n", change.render(&old.sources, &new.sources)));
                }
                found.is_empty()
            }
        }
    }

    /// A file, and whether it is healthy. Its mistakes go to standard error.
    fn load(&self, file: &PathBuf) -> (Loaded, bool) {
        let loaded = load(file, &self.options);
        eprint!("{}", loaded.diagnostics.render(&loaded.sources));
        let has_warnings = loaded.diagnostics.warnings().next().is_some();
        let failed = loaded.diagnostics.has_errors() || (self.deny_warnings && has_warnings);
        (loaded, !failed)
    }
}

/// Writes to standard output. Who does not want to read on may close it.
fn print_out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
