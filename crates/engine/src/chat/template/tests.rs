//! Templates that fail, and those that mean ill.

use super::*;
use proptest::prelude::*;
use std::time::Instant;

fn compile(text: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::new(text, TemplateTokens::default(), Path::new("dir/chat.jinja"))
}

fn render(text: &str) -> Result<String, TemplateError> {
    let messages = [Message::user("Who?"), Message::assistant("I."), Message::user(" {{ x }} ")];
    compile(text)?.render(&messages, &RenderOptions::default())
}

#[track_caller]
fn assert_error(text: &str, wanted: &str) {
    let message = render(text).expect_err(text).to_string();
    assert!(message.starts_with("dir/chat.jinja: ") && message.contains(wanted), "{text}: {message}");
}

#[test]
fn syntax_error_names_its_line() {
    assert_error("a\n{% if x %}\nb", "line 3 of the chat template: syntax error");
    assert_error("a\n\n{{ 1 + }}", "line 3 of the chat template: syntax error");
    assert_error("{% set x = \n\n  1 %}\n{% nonsense %}", "line 4 of the chat template: syntax error");
    assert_error("{{ 'a", "line 1 of the chat template: syntax error");
    assert!(matches!(compile("{% endfor %}"), Err(TemplateError::Syntax { line: 1, .. })));
}

#[test]
fn use_of_what_is_not_there_names_it_and_its_line() {
    assert_error("a\n{{ messages[0].name.first }}", "line 2 of the chat template: undefined value");
    assert_error("{{ x.y }}", "line 1 of the chat template: undefined value");
    assert_error("{{ messages|nonsense }}", "filter nonsense is unknown");
    assert_error("\n\n{{ 'a'.nonsense() }}", "line 3 of the chat template: unknown method");
    assert_error("{{ nonsense() }}", "nonsense");
    assert_error("{{ messages[0].content + 1 }}", "line 1 of the chat template: invalid operation");
    assert_eq!(render("[{{ missing }}{{ messages[0].name }}{{ messages[9] }}]").unwrap(), "[]");
}

#[test]
fn exception_of_a_template_is_told_in_its_own_words() {
    let text =
        "{% macro check() %}\n{{ raise_exception('No system role: ' ~ messages[0].role) }}{% endmacro %}{{ check() }}";
    match render(text) {
        Err(TemplateError::Raised { message, line: 2, .. }) => assert_eq!(message, "No system role: user"),
        other => panic!("{other:?}"),
    }
    assert_error(text, "line 2 of the chat template refuses this conversation: No system role: user");
}

#[test]
fn content_with_template_syntax_stays_as_it_is() {
    assert_eq!(render("{{ messages[2].content }}").unwrap(), " {{ x }} ");
    assert_eq!(render("{{ messages[2].content|trim|tojson }}").unwrap(), "\"{{ x }}\"");
}

#[test]
fn work_without_end_is_an_error() {
    for text in [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x|length }}",
        "{{ ('a' * 1000000000)|length }}",
        "{{ 'a\n'|indent(999999999) }}",
        "{{ 'aaaa'.replace('', 'b' * 999999).replace('b', 'c' * 999999) }}",
    ] {
        let start = Instant::now();
        assert!(matches!(render(text), Err(TemplateError::TooManySteps { .. })), "{text}: {:?}", render(text));
        assert!(start.elapsed() < TIME_LIMIT, "{text}");
    }
    assert_error("{{ {'a': 'b'}|tojson(indent=999999999) }}", "indent");
    assert_error("{{ ''.join((range(9999)|list) * 99999) }}", "");
    let endless = "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}\n{{ f(1) }}";
    assert_error(endless, "recursion limit");
    assert_error("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursion limit");
}

#[test]
fn output_without_end_is_an_error() {
    let text = format!("{{% for i in range(99999) %}}{}{{% endfor %}}", "a".repeat(100));
    assert!(matches!(render(&text), Err(TemplateError::TooMuchText { limit, .. }) if limit < 2 << 20));
}

#[test]
fn values_that_grow_deep_or_hold_themselves_are_an_error() {
    let grow = |step: &str| {
        format!(
            "{{% set n = namespace(x=[], y=[]) %}}{{% for i in range(9999) %}}{{% set n.x = {step} %}}{{% endfor %}}\
             {{{{ n.x|length }}}}"
        )
    };
    assert!(matches!(render(&grow("[n.x, n.x]")), Err(TemplateError::TooManySteps { .. })));
    for step in ["[n.x]", "{'a': n.x}", "(n.x,)", "[n.x|list|reverse]", "dict(a=n.x)"] {
        assert_error(&grow(step), "cannot keep lists and mappings nested");
    }
    for step in ["n", "[n]", "loop", "{'a': loop}", "namespace(x=n.x)", "range"] {
        assert_error(&grow(step), "cannot keep a namespace, loop or function");
    }
    assert_error(&"{% set x = [x] %}".repeat(5000), "cannot keep lists and mappings nested");
    let doubled = "{% macro f(n, x) %}{% if n %}{{ f(n - 1, [x, x, x]) }}{% else %}{{ SHOW }}{% endif %}{% endmacro %}{{ f(13, []) }}";
    for show in ["x", "x|tojson", "x|string", "'a'.join(x)", "x|lower"] {
        assert!(matches!(render(&doubled.replace("SHOW", show)), Err(TemplateError::TooManySteps { .. })), "{show}");
    }
}

#[test]
fn syntax_trees_that_grow_deep_are_an_error() {
    for part in ["not ", "-", "x+", "x~", "x**", "x and ", "x if y else ", "(", "[", "x["] {
        assert!(compile(&format!("{{{{ {}x }}}}", part.repeat(100_000))).is_err(), "{part}");
    }
    for part in [".a", "|string", "[0]", "()"] {
        assert!(compile(&format!("{{{{ x{} }}}}", part.repeat(100_000))).is_err(), "{part}");
    }
    // As much as is allowed: compiled or refused, and rendered or refused.
    for part in ["not ", "-", "x+", "x~", "x and ", "x if y else ", "(", "["] {
        let text = format!("{{{{ {}x }}}}", part.repeat(4000 / part.len()));
        let _ = render(&text);
    }
    for (open, close) in [("{% if x %}", "{% endif %}"), ("{% with x = [x] %}", "{% endwith %}")] {
        assert_error(
            &format!("{}x{}", open.repeat(100_000), close.repeat(100_000)).replace('\n', "")[..900_000],
            "recursion",
        );
        let _ = render(&format!("{}{{{{ x == x }}}}{}", open.repeat(90), close.repeat(90)));
    }
    let _ = render(&format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(500)));
    assert!(matches!(compile(&"a".repeat(2 << 20)), Err(TemplateError::TooLarge { .. })));
}

#[test]
fn panic_of_the_engine_is_an_error() {
    let cycle_of_nothing = "{% for m in messages %}{{ loop.cycle() }}{% endfor %}";
    assert!(matches!(render(cycle_of_nothing), Err(TemplateError::Thread { .. })));
}

/// Parts that random templates are made of.
const PARTS: [&str; 48] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{%-",
    "-%}",
    "{#",
    "#}",
    "{{ x }}",
    "a\n",
    " ",
    "\n",
    "é",
    "'",
    "\"",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{% set x = ",
    "{% set n.x = ",
    "{% set n = namespace(x=1) %}",
    "{% for m in messages %}",
    "{% endfor %}",
    "{% if x %}",
    "{% elif x %}",
    "{% else %}",
    "{% endif %}",
    "{% generation %}",
    "{% endgeneration %}",
    "{% macro f(x, y=1) %}",
    "{% endmacro %}",
    "{{ f(x) }}",
    "messages",
    "m.content",
    "[1, x, x]",
    "{'a': x}",
    "|tojson",
    "|trim",
    ".split('a')",
    "[::-1]",
    " ~ x",
    " + x",
    "{% raw %}",
    "{% endraw %}",
];

proptest! {
    #[test]
    fn any_text_renders_or_is_refused(parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..24)) {
        let result = render(&parts.concat());
        prop_assert!(!matches!(result, Err(TemplateError::Thread { .. } | TemplateError::TooSlow { .. })), "{:?}", result);
    }
}

#[test]
fn continued_message_ends_the_text() {
    let template = compile("{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}").unwrap();
    let trimming = compile("{% for m in messages %}<{{ m.role }}>{{ m.content|trim }}</>{% endfor %}").unwrap();
    let deaf = compile("{{ messages[0].content }}").unwrap();
    let options = RenderOptions { continue_final: true, ..RenderOptions::default() };
    let messages = [Message::user("a"), Message::assistant("b ")];
    assert_eq!(template.render(&messages, &options).unwrap(), "<user>a</><assistant>b ");
    assert_eq!(trimming.render(&messages, &options).unwrap(), "<user>a</><assistant>b");
    assert!(matches!(deaf.render(&messages, &options), Err(TemplateError::Continue { .. })));
    assert!(matches!(compile("x").unwrap().render(&messages, &options), Err(TemplateError::Continue { .. })));
    assert!(matches!(template.render(&[], &options), Err(TemplateError::Continue { .. })));
    let both = RenderOptions { add_generation_prompt: true, ..options };
    assert!(matches!(template.render(&messages, &both), Err(TemplateError::Continue { .. })));
}

#[test]
fn long_conversation_of_a_usual_template_is_within_the_limits() {
    let template = compile(
        "{% set n = namespace(last=0) %}{% for m in messages[::-1] %}{% if m.role == 'user' %}{% set n.last = loop.index %}{% endif %}\
         {% endfor %}{% for m in messages %}{% set content = m.content.split('</think>')[-1].strip() %}\
         <{{ m.role }}>{{ content }}{% if messages[loop.index0 - 1].role == m.role %}!{% endif %}\n{% endfor %}",
    )
    .unwrap();
    let messages: Vec<_> = (0..2000).map(|i| Message::user(format!("{i}: {}", "word ".repeat(i)))).collect();
    assert!(template.render(&messages, &RenderOptions::default()).unwrap().len() > 9_000_000);
}
