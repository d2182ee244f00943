//! What is done to the text of a template before it is compiled.
//!
//! Two things that the engine does not have are written in terms of those it has, on the same line:
//!
//! | in the template | as it is compiled | why |
//! |---|---|---|
//! | `{% generation %} … {% endgeneration %}` | `{% with %} … {% endwith %}` | marks what is trained on; has a scope, renders its content |
//! | `{% set x = expr %}` | `{% set x = held((expr)) %}` | what is kept stays small and flat ([`super::plain_data`]) |
//!
//! And two limits keep the syntax tree flat, whose depth is that of the call stack: the size of a tag and the number of `elif`.

/// Largest tag, without the text inside string literals. Real ones have up to some hundred bytes.
const MAX_TAG_BYTES: usize = 4 << 10;
/// Most `elif` of one template.
const MAX_ELIFS: usize = 500;

/// Name of the function around a value that a name gets.
pub(super) const HELD: &str = "__held";
/// Name of the function around a value that an attribute of a namespace gets.
pub(super) const HELD_INSIDE: &str = "__held_inside";

/// Why a template is refused before it is compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Line, from 1.
    pub(super) line: usize,
    pub(super) problem: String,
}

/// One tag of a template.
#[derive(Debug, Clone, Copy)]
struct Tag<'a> {
    kind: Kind,
    /// What is between the delimiters and the signs of white space control.
    inner: &'a str,
    /// Where `inner` begins in the template.
    start: usize,
    /// Where the text after the tag begins.
    end: usize,
    /// Whether it has an end.
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comment,
    Expression,
    Statement,
}

/// The text to compile. Line ends become `\n`, as Jinja has it.
///
/// # Errors
/// Fails if a tag is too long, or there are too many `elif`.
pub(super) fn prepare(text: &str) -> Result<String, Refused> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut prepared = String::with_capacity(text.len() + text.len() / 8);
    let (mut copied, mut at, mut elifs) = (0, 0, 0);
    while let Some(tag) = next_tag(&text, at) {
        at = tag.end;
        let refused = |problem: String| Refused { line: line_of(&text, tag.start), problem };
        if tag.kind == Kind::Comment {
            continue;
        }
        let size = bytes_outside_strings(tag.inner);
        if size > MAX_TAG_BYTES {
            return Err(refused(format!("wanted tags of at most {MAX_TAG_BYTES} bytes, found one of {size}")));
        }
        if tag.kind == Kind::Expression {
            continue;
        }
        let word = first_word(tag.inner);
        elifs += usize::from(word == "elif");
        if elifs > MAX_ELIFS {
            return Err(refused(format!("wanted at most {MAX_ELIFS} `elif`, found more")));
        }
        if word == "raw" {
            at = end_of_raw(&text, tag.end);
        } else if tag.closed
            && let Some(replaced) = replacement(word, tag.inner)
        {
            prepared.push_str(&text[copied..tag.start]);
            prepared.push_str(&replaced);
            copied = tag.start + tag.inner.len();
        }
    }
    prepared.push_str(&text[copied..]);
    Ok(prepared)
}

/// What stands in the place of a statement, if anything.
fn replacement(word: &str, inner: &str) -> Option<String> {
    match word {
        "generation" | "endgeneration" => Some(inner.replace("generation", "with")),
        "set" => {
            let equals = assignment(inner)?;
            let (target, value) = (&inner[..equals], inner[equals + 1..].trim());
            let held = if target.contains('.') { HELD_INSIDE } else { HELD };
            // Two pairs of brackets: `1, 2` is one tuple and not two arguments. Line ends stay, for the lines of messages.
            let lines = inner[equals + 1..].matches('\n').count() - value.matches('\n').count();
            Some(format!("{target}= {held}(({value})){} ", "\n".repeat(lines)))
        }
        _ => None,
    }
}

/// The first tag that begins at `from` or later. One that has no end goes to the end of the text.
fn next_tag(text: &str, from: usize) -> Option<Tag<'_>> {
    let bytes = text.as_bytes();
    let open = (from..bytes.len().saturating_sub(1))
        .find(|&i| bytes[i] == b'{' && matches!(bytes[i + 1], b'{' | b'%' | b'#'))?;
    let (kind, close) = match bytes[open + 1] {
        b'#' => (Kind::Comment, "#}"),
        b'{' => (Kind::Expression, "}}"),
        _ => (Kind::Statement, "%}"),
    };
    let start = open + 2;
    let length = match kind {
        Kind::Comment => text[start..].find(close),
        _ => end_of_code(&text[start..], close),
    };
    let end = length.map_or(text.len(), |length| start + length + close.len());
    let whole = &text[start..length.map_or(text.len(), |length| start + length)];
    let inner = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let start = start + whole.len() - inner.len();
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    Some(Tag { kind, inner, start, end, closed: length.is_some() })
}

/// Where `close` begins in code: outside strings and, as an expression may end in that of a mapping, outside braces.
fn end_of_code(code: &str, close: &str) -> Option<usize> {
    let (mut quote, mut braces) = (None, 0usize);
    let mut bytes = code.bytes().enumerate();
    while let Some((i, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, _) if braces == 0 && code.as_bytes()[i..].starts_with(close.as_bytes()) => return Some(i),
            (None, b'{') => braces += 1,
            (None, b'}') => braces = braces.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where the text after `{% endraw %}` begins.
fn end_of_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = text[at..].find("{%") {
        let start = at + open + 2;
        let Some(length) = text[start..].find("%}") else { break };
        if text[start..start + length].trim_matches(['-', '+', ' ', '\t', '\n']) == "endraw" {
            return start + length + 2;
        }
        at = start;
    }
    text.len()
}

fn first_word(inner: &str) -> &str {
    let inner = inner.trim_start();
    &inner[..inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len())]
}

/// Where the `=` of an assignment is: the first outside strings and brackets.
fn assignment(inner: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0usize);
    for (i, byte) in inner.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (None, b'=') if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

fn bytes_outside_strings(code: &str) -> usize {
    let (mut quote, mut outside) = (None, 0);
    let mut bytes = code.bytes();
    while let Some(byte) = bytes.next() {
        match quote {
            Some(_) if byte == b'\\' => drop(bytes.next()),
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None => {
                outside += 1;
                quote = Some(byte).filter(|byte| matches!(byte, b'\'' | b'"'));
            }
        }
    }
    outside
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_tags_become_scopes_with_their_white_space_control() {
        let text = "{%- generation -%}a{% endgeneration +%}{{ '{% generation %}' }}{# {% generation %} #}";
        let expected = "{%- with -%}a{% endwith +%}{{ '{% generation %}' }}{# {% generation %} #}";
        assert_eq!(prepare(text).unwrap(), expected);
        let raw = "{% raw %}{% generation %}{%- endraw %}{% generation %}";
        assert_eq!(prepare(raw).unwrap(), "{% raw %}{% generation %}{%- endraw %}{% with %}");
    }

    #[test]
    fn assignments_are_wrapped_and_blocks_are_not() {
        let cases = [
            ("{% set x = 1 %}", "{% set x = __held((1)) %}"),
            ("{%- set a, b = 1, 2 -%}", "{%- set a, b = __held((1, 2)) -%}"),
            ("{% set n.x = 'a=%}' ~ b %}", "{% set n.x = __held_inside(('a=%}' ~ b)) %}"),
            ("{% set x\n =\n y\n%}z", "{% set x\n = __held((y))\n\n %}z"),
            ("{% set x %}=a{% endset %}", "{% set x %}=a{% endset %}"),
            ("{% set x = {'a': {'b': 1}}%}{{ {'a': {}}}}", "{% set x = __held(({'a': {'b': 1}})) %}{{ {'a': {}}}}"),
            (
                "{% set x | replace(old='a', new='b') %}a{% endset %}",
                "{% set x | replace(old='a', new='b') %}a{% endset %}",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(prepare(text).unwrap(), expected);
        }
    }

    #[test]
    fn line_ends_become_those_of_unix_and_cut_tags_stay() {
        assert_eq!(prepare("a\r\nb\rc{{ x").unwrap(), "a\nb\nc{{ x");
        for cut in ["{", "{%", "{{", "{#", "{% raw %}{%", "{{ '\\", "{% set x = '", "é{%é"] {
            assert_eq!(prepare(cut).unwrap(), cut);
        }
    }

    #[test]
    fn tag_or_chain_that_is_too_long_is_refused_with_its_line() {
        let tag = format!("a\n{{{{ {}x }}}}", "not ".repeat(3000));
        assert_eq!(prepare(&tag).unwrap_err().line, 2);
        let cut = format!("{{{{ {{ {}x", "not ".repeat(3000));
        assert_eq!(prepare(&cut).unwrap_err().line, 1);
        let literal = format!("{{{{ '{}' }}}}", "a ".repeat(20_000));
        assert_eq!(prepare(&literal).unwrap(), literal);
        let chain = format!("{{% if x %}}{}{{% endif %}}", "\n{% elif x %}".repeat(501));
        assert_eq!(prepare(&chain).unwrap_err().line, 502);
    }
}
