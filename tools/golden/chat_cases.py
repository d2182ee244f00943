"""Conversations as transformers renders them.

The templates are written for this test, with the constructs and in the output format of a family of models. `golden.json` has the
templates and, for each of many conversations, the text that transformers makes or the fact that the template refuses it.
"""

import datetime
import json
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

NOW = datetime.datetime(2025, 3, 9, 17, 5, 9)
SECONDS = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


CHATML = """\
{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nAnswer well.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

DEFAULT_SYSTEM = """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are small and kind<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

THINKING = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(searching=true, last_question=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and message.content is string and not(message.content.startswith('<reply>') and message.content.endswith('</reply>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last_question = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thoughts = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thoughts = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_question and (loop.last or (not loop.last and thoughts)) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

INST_SYS = """\
{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}\
{% else %}{% set turns = messages %}{% set system = false %}{% endif %}\
{% for message in turns %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception("Roles must take turns, beginning with 'user'") }}{% endif %}\
{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}\
{% else %}{% set content = message['content'] %}{% endif %}\
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

HEADERS = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system message comes out of the list, so that a default can take its place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Tools: " + (tools | tojson(indent=4)) }}
{%- endif %}
{{- "Known until: December 2023\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

INST_LAST = """\
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the system message, user and assistant must take turns") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {{- '[RESULT] {"content": ' + message.content|string + ", " }}
        {{- '"n": ' ~ user_messages|length ~ '}[/RESULT]' }}
    {%- else %}
        {{- raise_exception("Unknown role " ~ message.role ~ "!") }}
    {%- endif %}
{%- endfor %}
"""

TURNS = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('There is no system role') }}{% endif %}\
{% for message in messages %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}\
{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}\
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}\
{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"""

ROLE_TAGS = """\
{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}\
{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}\
{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""

ROLE_LINES = """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""

SEPARATED = """\
{% for message in messages %}{% if (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}\
{% elif (message['role'] == 'user') %}{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>'}}\
{% elif (message['role'] == 'assistant') %}{{'<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"""

MODES = """\
{# ───── defaults ───── #}
{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}
{# ───── mode ───── #}
{%- if enable_thinking -%}
  {%- set mode = "/think" -%}
{%- else -%}
  {%- set mode = "/no_think" -%}
{%- endif -%}
{# ───── header ───── #}
{%- if messages[0].role == "system" -%}
  {%- set system_message = messages[0].content -%}
  {%- if "/no_think" in system_message -%}
    {%- set mode = "/no_think" -%}
  {%- elif "/think" in system_message -%}
    {%- set mode = "/think" -%}
  {%- endif -%}
  {%- set instructions = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "<|im_start|>system\n" -}}
{{- "## Facts\n\n" -}}
{%- set today = strftime_now("%d %B %Y") -%}
{{- "Today is " ~ today ~ "\n" -}}
{{- "Mode: " + mode + "\n\n" -}}
{%- if instructions -%}
  {{- instructions + "\n\n" -}}
{%- elif mode == "/think" -%}
  {{- "Think first.\n\n" -}}
{%- else -%}
  {{- "Be brief.\n\n" -}}
{%- endif -%}
{{- "<|im_end|>\n" -}}
{# ───── history ───── #}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\n"  + content + "<|im_end|>\n" }}
    {%- elif message.role == "assistant" -%}
        {% generation %}
        {%- if mode == "/think" -%}
            {{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n" + content.lstrip("\n") + "<|im_end|>\n" }}
        {%- endif -%}
        {% endgeneration %}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {%- if mode == "/think" -%}
        {{ "<|im_start|>assistant\n" }}
    {%- else -%}
        {{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n"  }}
    {%- endif -%}
{%- endif -%}
"""

# What no family above uses, but others do.
CONSTRUCTS = """\
{%- macro tag(name, body='-', open=true) -%}
<{{ name }}{{ '>' if open }}{{ body }}
{%- endmacro %}
{%- macro around(text) %}({{ caller(text) }}){% endmacro %}
{%- set ns = namespace(seen=[], roles={}, text='') %}
{% for message in messages if message.role != 'tool' %}
  {% if loop.previtem is defined and loop.previtem.role == message.role %}
same {{ loop.index }}/{{ loop.length }} {{ loop.revindex0 }}
    {% continue %}
  {% endif %}
  {% set ns.seen = ns.seen + [message.role] %}
  {% set ns.text = ns.text ~ loop.cycle('a', 'b') %}
  {{ tag(message.role, message.content|tojson, open=loop.first) }}
  {% if not loop.last and loop.nextitem.content == '' %}{% break %}{% endif %}
{% else %}
nobody
{% endfor %}
{{ ns.seen|join('+') }} {{ ns.text }} {{ ns.seen|length }} {{ ns.seen[-1] }} {{ ns.seen[:2]|last }}
{%- set words = messages[0].content.split() %}
{{ words|tojson }} {{ words|map('upper')|join(' ') }} {{ words|first|default('none', true) }} {{ missing|default('x') }}
{% for key, value in messages[-1].items() %}{{ key }}={{ value|length }};{% endfor %}
{{ messages[-1]|tojson }} {{ {'b': [1, 2.5, none, true], 'a': {}, 'c': []}|tojson(indent=2) }}
{{ {'b': 1, 'a': [1, '<&>']}|tojson(sort_keys=true, separators=(',', ':')) }} {{ 'é\\u00e9'|tojson(ensure_ascii=true) }}
{% call(t) around('x') %}{{ t ~ t }}{% endcall %}{% filter upper %}up{% endfilter %}
{% set block %}a{{ 1 + 2 * 3 // 2 }}{% endset %}{{ block }} {{ 7 % 3 }} {{ -7 // 2 }} {{ 2 ** 3 }} {{ 7 / 2 }} {{ 'ab' * 2 }}
{{ messages[0].content[::-1] }}|{{ messages[0].content[1:3] }}|{{ messages[0].get('name', 'nameless') }}|{{ messages[0].name }}|
{{ none }} {{ true }} {{ 1.0 }} {{ none is none }} {{ messages is sequence }} {{ 'a' is sequence }} {{ none is iterable }} {{ missing is iterable }} {{ messages[0] is mapping }} {{ 'a' in 'cat' }}
{{ 'A-b'.lower() }} {{ 'a,b,c'.split(',', 1)|tojson }} {{ 'a,b,c'.rsplit(',', 1)|tojson }} {{ 'abc'.replace('b', '') }} {{ 'x'.title() }}
{{ 'ab'.startswith(('x', 'a')) }} {{ 'abc'.find('c') }} {{ '{} and {x}'.format(1, x=2) }} {{ '%s-%d'|format('a', 3) }} {{ 'a\\tb'.split()|length }}
{%- with a = 1, b = 2 %} {{ a + b }}{% endwith %} {{ messages|map(attribute='role')|unique|list|length }} {{ [3, 1, 2]|sort|tojson }}
{{ dict(a=1)|tojson }} {{ range(3)|list|tojson }} {{ (1, 2)|length }} {{ 'x' ~ 1 ~ none }} {{ not messages }} {{ 1 if false }}|{{ [1, 2] == [1, 2] }}
{%- raw %} {{ raw }} {% endraw -%}
   {{- messages|selectattr('role', 'in', ['user'])|list|length }} {{ messages|rejectattr('role', 'equalto', 'user')|list|length }} {{ '  x '|trim }}.
{{ ' a '.strip() ~ '.' ~ ' a '.rstrip() ~ '.' ~ '\\x1ca'.strip() ~ 'xax'.strip('x') }} {{ 'abc'|upper|lower|capitalize|replace('b', 'd') }}
"""

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TEMPLATES = {
    "chatml": (CHATML, {"eos_token": "<|im_end|>"}),
    "default-system": (DEFAULT_SYSTEM, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}),
    "thinking": (THINKING, {"eos_token": "<|im_end|>"}),
    "inst-sys": (INST_SYS, TOKENS),
    "headers": (HEADERS, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}),
    "inst-last": (INST_LAST, TOKENS),
    "turns": (TURNS, {"bos_token": "<bos>", "eos_token": "<eos>"}),
    "role-tags": (ROLE_TAGS, {"eos_token": "<|endoftext|>"}),
    "role-lines": (ROLE_LINES, TOKENS),
    "separated": (SEPARATED, {"eos_token": "<|im_end|>"}),
    "modes": (MODES, {"eos_token": "<|im_end|>"}),
    "constructs": (CONSTRUCTS, {**TOKENS, "unk_token": "<unk>", "pad_token": "<pad>"}),
}

SYSTEM = ("system", "Be kind, /no_think.\n")
ASK = ("user", "What is 2 + 2?")
ANSWER = ("assistant", "4")
CONVERSATIONS = [
    [ASK],
    [SYSTEM, ASK],
    [ASK, ANSWER],
    [ASK, ANSWER, ("user", "And then?")],
    [SYSTEM, ASK, ("assistant", "<think>\nAdd them.\n</think>\n\nIt is 4."), ("user", "Sure?")],
    [ASK, ("assistant", "<think>\n\nAdd.\n\n</think>\n\n\nIt is 4.\n")],
    [("user", " \t\n padded \u3000\n"), ("assistant", "\n\n also \u00a0"), ("user", "\x1cx\x1f \x85")],
    [("user", "\"quoted\" 'single' \\ back\\n <b>&amp;</b>"), ("assistant", "`a`\n```py\nprint('hi')\n```")],
    [("user", "{{ messages }} {% if x %} {# c #} {{"), ("assistant", "%} }} #}"), ("user", "{%- raw %}")],
    [("user", "Grüße, 世界 🌍 e\u0301 \u200b\u2028x"), ("assistant", "مرحبا <|im_end|> </s>"), ("user", "\r\n\r a\0b")],
    [("user", ""), ("assistant", ""), ("user", "")],
    [("system", ""), ASK],
    [("system", "  \n"), ASK, ANSWER, ("user", "x"), ("assistant", "y"), ("user", "z")],
    [ASK, ("user", "twice")],
    [ANSWER, ASK],
    [ASK, ("tool", "{\"a\": 1}"), ("tool", "b"), ANSWER],
    [("critic", "no such role"), ASK],
    [("user", "<reply>r</reply>"), ANSWER, ("user", "<reply>s</reply>"), ("assistant", "<think>t</think>u")],
]


def render(template: str, tokens: dict, conversation: list, options: dict) -> str | None:
    """The text, or None if the template refuses the conversation."""
    messages = [{"role": role, "content": content} for role, content in conversation]
    variables = dict(tokens)
    if options["thinking"] is not None:
        variables |= {"enable_thinking": options["thinking"], "thinking": options["thinking"]}
    try:
        [text], _ = chat_template_utils.render_jinja_template(
            [messages],
            chat_template=template,
            add_generation_prompt=options["add_generation_prompt"],
            continue_final_message=options["continue_final"],
            **variables,
        )
    except (jinja2.exceptions.TemplateError, ValueError, TypeError):
        return None
    return text


def options_of(template: str, conversation: list) -> list:
    """Generation prompt, continuation of the last message, thinking: what could make a difference."""
    options = [(False, False, None), (True, False, None)]
    if "thinking" in template:
        options += [(True, False, False)] + [(True, False, True)] * (len(conversation) > 2)
    if conversation[-1][0] == "assistant" or len(conversation) == 1:
        options.append((False, True, None))
    return options


def cases_of(templates: dict) -> dict:
    """Every template with every conversation and all options that could matter."""
    chat_template_utils.datetime = Clock
    cases = []
    for name, (template, tokens) in templates.items():
        for conversation in CONVERSATIONS:
            for prompt, final, thinking in options_of(template, conversation):
                options = {"add_generation_prompt": prompt, "continue_final": final, "thinking": thinking}
                text = render(template, tokens, conversation, options)
                cases.append({"template": name, "conversation": CONVERSATIONS.index(conversation), **options, "text": text})
    return {
        "now": SECONDS,
        "templates": {name: {"text": text, "tokens": tokens} for name, (text, tokens) in templates.items()},
        "conversations": [[{"role": role, "content": content} for role, content in c] for c in CONVERSATIONS],
        "cases": cases,
    }


def chat_templates(directory: Path) -> None:
    golden = cases_of(TEMPLATES)
    (directory / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


CASES = {"chat-templates": chat_templates}
