//! Two texts, line by line.

use std::fmt::Write as _;

/// How many equal lines stand around those that differ.
const CONTEXT: usize = 2;

/// The lines that differ, marked by `-` and `+`, among the few around them; `...` stands for the rest.
pub(super) fn lines(old: &str, new: &str) -> String {
    let marked = marked(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let mut text = String::new();
    let mut left_out = false;
    for (at, (mark, line)) in marked.iter().enumerate() {
        let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(marked.len());
        if marked[around].iter().any(|(mark, _)| *mark != ' ') {
            if std::mem::take(&mut left_out) {
                text.push_str("  ...\n");
            }
            let _ = writeln!(text, "{}", format!("{mark} {line}").trim_end());
        } else {
            left_out = true;
        }
    }
    text
}

/// Every line of both, those that both have once: a longest common subsequence between the ends that are the same.
fn marked<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (was, is) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);

    // `common[i][j]`: how many lines `was[i..]` and `is[j..]` have in common.
    let mut common = vec![vec![0; is.len() + 1]; was.len() + 1];
    for i in (0..was.len()).rev() {
        for j in (0..is.len()).rev() {
            common[i][j] =
                if was[i] == is[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let mut marked: Vec<_> = old[..head].iter().map(|line| (' ', *line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < was.len() || j < is.len() {
        if i < was.len() && j < is.len() && was[i] == is[j] {
            marked.push((' ', was[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == is.len() || (i < was.len() && common[i + 1][j] >= common[i][j + 1]) {
            marked.push(('-', was[i]));
            i += 1;
        } else {
            marked.push(('+', is[j]));
            j += 1;
        }
    }
    marked.extend(old_rest[old_rest.len() - tail..].iter().map(|line| (' ', *line)));
    marked
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_that_differ_stand_among_their_neighbours() {
        let rows = [
            ("a\nb\nc\n", "a\nb\nc\n", ""),
            ("", "a\n", "+ a\n"),
            ("a\nb\nc\nd\ne\nf", "a\nb\nc\nX\ne\nf", "  ...\n  b\n  c\n- d\n+ X\n  e\n  f\n"),
            ("a\nb\nc\nd\ne\nf\ng\nh", "b\nc\nd\ne\nf\ng\nh\ni", "- a\n  b\n  c\n  ...\n  g\n  h\n+ i\n"),
            ("x\n\ny", "x\ny", "  x\n-\n  y\n"),
        ];
        for (old, new, want) in rows {
            assert_eq!(lines(old, new), want, "from {old:?} to {new:?}");
        }
    }
}
