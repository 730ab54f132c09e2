//! Parses the `.thrift` files of folders again and again, and prints megabytes per second.
//!
//! `parse-perf FOLDER… [--seconds S]`

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pilota_thrift_parser::{FileParser, FileSource};
use thrill_idl::{Diagnostics, FileId, Options, load, parse_str};

/// The best of several runs is the one that was disturbed least.
const RUNS: u32 = 5;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut files, mut seconds) = (Vec::new(), 5.0);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().and_then(|text| text.parse().ok()).expect("--seconds needs a number"),
            folder => collect(Path::new(folder), &mut files),
        }
    }
    // Ours reads all of them; what is compared must be what both read.
    let texts: Vec<String> = files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let both: Vec<&str> = texts.iter().map(String::as_str).filter(|text| pilota(text)).collect();
    assert!(!both.is_empty(), "usage: parse-perf FOLDER… [--seconds S]");
    let bytes: usize = both.iter().map(|text| text.len()).sum();
    println!("{} files, {} of them read by both: {bytes} bytes", files.len(), both.len());
    let time = Duration::from_secs_f64(seconds / 3.0);
    let ours = measure("thrill-idl, parsed", bytes, time, || both.iter().for_each(|text| thrill(text)));
    let theirs = measure("pilota-thrift-parser, parsed", bytes, time, || {
        both.iter().for_each(|text| assert!(black_box(pilota(text))));
    });
    println!("ratio: {:.1}", ours / theirs);
    let all: usize = texts.iter().map(String::len).sum();
    measure("thrill-idl, read from the disk and resolved with all includes", all, time, || {
        files.iter().for_each(|path| drop(black_box(load(path, &Options::default()))));
    });
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "thrift") {
            files.push(path);
        }
    }
}

fn thrill(text: &str) {
    drop(black_box(parse_str(text, FileId(0), &mut Diagnostics::default())));
}

fn pilota(text: &str) -> bool {
    FileParser::new(FileSource::new(text)).parse().is_ok()
}

/// Repeats for a while, and returns the bytes per second of the best run.
fn measure(name: &str, bytes: usize, time: Duration, work: impl Fn()) -> f64 {
    work();
    let mut best = 0.0_f64;
    for _ in 0..RUNS {
        let (start, mut rounds) = (Instant::now(), 0.0);
        while start.elapsed() < time / RUNS {
            work();
            rounds += 1.0;
        }
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let rate = rounds * bytes as f64 / start.elapsed().as_secs_f64();
        best = best.max(rate);
    }
    println!("{name}: {:.1} MB/s", best / 1e6);
    best
}
