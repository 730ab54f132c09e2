//! `thrill-idl`: checks `.thrift` files from the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use thrill_idl::{MissingIds, Options, load};

const USAGE: &str = "\
usage: thrill-idl check FILE… [-I DIR]…      tell the mistakes in files; the exit code is 1 if there are any errors

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
    files: Vec<PathBuf>,
    options: Options,
}

impl Command {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut command = Self { files: Vec::new(), options: Options::default() };
        match args.next().as_deref() {
            Some("check") => {}
            Some(other) => return Err(format!("unknown command `{other}`")),
            None => return Err("no command".to_owned()),
        }
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
        Ok(command)
    }

    fn run(&self) -> ExitCode {
        let mut failed = false;
        for file in &self.files {
            let loaded = load(file, &self.options);
            eprint!("{}", loaded.diagnostics.render(&loaded.sources));
            failed |= loaded.diagnostics.has_errors();
        }
        ExitCode::from(u8::from(failed))
    }
}
