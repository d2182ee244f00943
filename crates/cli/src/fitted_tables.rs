//! Tables in Markdown, made to fit the width of a terminal.

use cke_perf::report::Align;

/// Characters of a cell of words that are kept together, if there is something longer in it.
const LEAST_WORDS: usize = 14;
/// A long word is broken behind one of these, if it has any.
const BREAKS: [char; 7] = ['_', '.', '/', ',', '-', '}', ':'];

/// The text with the cells of tables broken into lines if the tables are wider than `width`. Tables that do not fit even so stay as they
/// are.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let blocks = lines.chunk_by(|x, y| x.starts_with('|') == y.starts_with('|'));
    blocks.map(|block| Rows::read(block, width).map_or_else(|| block.concat(), |rows| rows.text())).collect()
}

/// A table whose columns have new widths.
struct Rows {
    aligns: Vec<Align>,
    widths: Vec<usize>,
    head: Vec<String>,
    body: Vec<Vec<String>>,
}

impl Rows {
    /// Reads a table that is wider than `width`; `None` if there is nothing to do, or nothing that can be done.
    fn read(lines: &[&str], width: usize) -> Option<Rows> {
        if lines.iter().all(|line| line.trim_end().chars().count() <= width) {
            return None;
        }
        let mut rows = lines.iter().map(|line| cells(line));
        let (head, rules) = (rows.next()??, rows.next()??);
        let body = rows.collect::<Option<Vec<_>>>()?;
        if rules.len() != head.len() || body.iter().any(|row| row.len() != head.len()) {
            return None;
        }
        let aligns = rules.iter().map(|rule| if rule.ends_with(':') { Align::Right } else { Align::Left }).collect();
        let mut rows = Rows { aligns, widths: Vec::new(), head, body };
        rows.widths = rows.widths_within(width)?;
        Some(rows)
    }

    /// The widths of columns in a table of this width: the widest ones give way first, down to their longest words.
    fn widths_within(&self, width: usize) -> Option<Vec<usize>> {
        let room = width.checked_sub(3 * self.head.len() + 1)?;
        let bounds: Vec<(usize, usize)> = (0..self.head.len()).map(|i| self.bounds(i)).collect();
        let widths = |most: usize| bounds.iter().map(|&(least, usual)| most.clamp(least, usual)).collect::<Vec<_>>();
        (0..=room).rev().map(widths).find(|widths| widths.iter().sum::<usize>() <= room)
    }

    /// The least width of a column, and the one at which nothing is broken.
    fn bounds(&self, column: usize) -> (usize, usize) {
        let of_column = || std::iter::once(&self.head).chain(&self.body).map(|row| row[column].as_str());
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.fold(3, usize::max);
        let usual = longest(&mut of_column().map(length));
        let word = longest(&mut of_column().flat_map(|cell| cell.split(' ')).map(length));
        let least = match self.aligns[column] {
            Align::Left => word.min(LEAST_WORDS),
            // Numbers are not broken, only their head is.
            Align::Right => longest(&mut self.body.iter().map(|row| length(&row[column]))).max(word),
        };
        (least, usual)
    }

    fn text(&self) -> String {
        let rules: Vec<String> = std::iter::zip(&self.aligns, &self.widths)
            .map(|(align, &width)| match align {
                Align::Left => format!(":{}", "-".repeat(width - 1)),
                Align::Right => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        let body: String = self.body.iter().map(|row| self.lines(row)).collect();
        self.lines(&self.head) + &self.lines(&rules) + &body
    }

    /// The lines of a row: as many as its longest cell needs.
    fn lines(&self, row: &[String]) -> String {
        let cells: Vec<Vec<String>> =
            std::iter::zip(row, &self.widths).map(|(cell, &width)| broken(cell, width)).collect();
        let count = cells.iter().map(Vec::len).max().unwrap_or(0);
        (0..count).map(|line| self.line(&cells, line)).collect()
    }

    fn line(&self, cells: &[Vec<String>], line: usize) -> String {
        let padded = cells.iter().enumerate().map(|(column, lines)| {
            let (part, width) = (lines.get(line).map_or("", String::as_str), self.widths[column]);
            match self.aligns[column] {
                Align::Left => format!("| {part:<width$} "),
                Align::Right => format!("| {part:>width$} "),
            }
        });
        padded.collect::<String>() + "|\n"
    }
}

/// The cells of a line; `None` if it is not a row of a table.
fn cells(line: &str) -> Option<Vec<String>> {
    /// Stands for a bar that is part of a cell.
    const BAR: &str = "\0";
    let inner = line.trim_end().strip_prefix('|')?.strip_suffix('|')?.replace("\\|", BAR);
    Some(inner.split('|').map(|cell| cell.trim().replace(BAR, "\\|")).collect())
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A text in lines of at most `width` characters.
fn broken(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && length(&line) + 1 + length(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while length(&line) > width {
            let rest = line.split_off(break_of(&line, width));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// Where a word that is longer than `width` is broken, in bytes.
fn break_of(word: &str, width: usize) -> usize {
    let ends = || word.char_indices().take(width).map(|(start, c)| (start + c.len_utf8(), c));
    let preferred = ends().filter(|(_, c)| BREAKS.contains(c)).last();
    preferred.or_else(|| ends().last()).map_or(word.len(), |(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        | kernel            | words of a cell     |  t/s |\n\
        | :---------------- | :------------------ | ---: |\n\
        | avx512_q4_k_4x48  | a \\| b              | 12.5 |\n";

    #[test]
    fn tables_that_fit_and_other_lines_stay_as_they_are() {
        let text = format!("before, a line that is very long and no part of any table\n{TABLE}\nafter");
        assert_eq!(fitted(&text, 60), text);
    }

    #[test]
    fn wider_tables_are_broken_between_words_and_in_long_names() {
        let expected = "\
            | kernel         | words of a    |  t/s |\n\
            |                | cell          |      |\n\
            | :------------- | :------------ | ---: |\n\
            | avx512_q4_k_   | a \\| b        | 12.5 |\n\
            | 4x48           |               |      |\n";
        assert_eq!(fitted(&format!("x\n{TABLE}"), 41), format!("x\n{expected}"));
    }

    #[test]
    fn tables_that_cannot_fit_stay_as_they_are() {
        assert_eq!(fitted(TABLE, 20), TABLE);
        assert_eq!(fitted(TABLE, 0), TABLE);
        assert_eq!(fitted("| no table\n| but lines\n", 5), "| no table\n| but lines\n");
    }

    #[test]
    fn broken_words_keep_every_character() {
        assert_eq!(broken("ééééé", 2), ["éé", "éé", "é"]);
        assert_eq!(broken("", 3), [""]);
        assert_eq!(broken("a.bcdef gh", 4), ["a.", "bcde", "f gh"]);
    }
}
