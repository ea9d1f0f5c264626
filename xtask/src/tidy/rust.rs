//! As much of Rust's grammar as tidy needs: what is code and what isn't, and where a function begins and ends.

/// The text with its comments and the insides of its strings and characters blanked out. Every line keeps its number.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = comment(rest)
            .or_else(|| raw_string(rest).filter(|_| !after_name))
            .or_else(|| quoted(rest, '"'))
            .or_else(|| quoted(rest, '\'').filter(|_| is_character(rest)));
        match length {
            Some(length) => {
                code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = &rest[length..];
            }
            None => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    code
}

/// The length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (1, 2);
    while depth > 0 {
        let open = text[at..].find("/*").unwrap_or(usize::MAX);
        let Some(close) = text[at..].find("*/") else { return Some(text.len()) };
        depth = if open < close { depth + 1 } else { depth - 1 };
        at += open.min(close) + 2;
    }
    Some(at)
}

/// The length of the raw string that the text begins with, with whatever prefix.
fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

/// The length of the string or character that the text begins with.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let inside = text.strip_prefix(quote)?;
    let mut is_escaped = false;
    for (at, c) in inside.char_indices() {
        if c == quote && !is_escaped {
            return Some(1 + at + 1);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    Some(text.len())
}

/// Whether a `'` begins a character, and not a lifetime or a label: `'a'` and `'\n'`, but not `'a`.
fn is_character(text: &str) -> bool {
    let mut letters = text.chars().skip(1);
    letters.next() == Some('\\') || letters.next() == Some('\'')
}

/// A function: its name, the line that it begins on, and its body.
pub struct Function<'a> {
    pub name: &'a str,
    pub line: usize,
    pub body: &'a str,
}

/// All functions with a body, in text that is code only.
pub fn functions(code: &str) -> Vec<Function<'_>> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_of_name) {
            continue;
        }
        let name = code[at + 3..].split(|c| !is_of_name(c)).next().unwrap_or_default();
        let Some(end) = code[at..].find(['{', ';']) else { continue };
        if !name.is_empty() && code[at + end..].starts_with('{') {
            let line = code[..at].matches('\n').count() + 1;
            functions.push(Function { name, line, body: block(&code[at + end..]) });
        }
    }
    functions
}

/// The text up to the brace that closes the one it begins with.
fn block(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..=at];
        }
    }
    text
}

/// How often code calls the function `name`, as itself or by its path, but not as a method.
pub fn count_calls(code: &str, name: &str) -> usize {
    let calls = code.match_indices(name).filter(|(at, _)| {
        let (before, after) = (&code[..*at], &code[at + name.len()..]);
        after.starts_with('(') && !before.ends_with(|c| is_of_name(c) || c == '.') && !before.ends_with("fn ")
    });
    calls.count()
}

/// Whether a line of code defines this function, type, constant or module.
pub fn defines(code: &str, name: &str) -> bool {
    const WORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];
    WORDS.iter().any(|word| {
        let definition = format!("{word} {name}");
        code.match_indices(&definition)
            .any(|(at, _)| !code[..at].ends_with(is_of_name) && !code[at + definition.len()..].starts_with(is_of_name))
    })
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        let text = "a // b\n/* c /* d */ e */ f \"g\\\"h\" r#\"i\"j\"# '\"' k 'l m b'\\'' n";
        let words: Vec<String> = code_only(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["a", "f", "k", "'l", "m", "b", "n"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = "x \"two\nlines\" // y\n/*\n*/ z";
        assert_eq!(code_only(text).lines().position(|line| line.contains('z')), Some(3));
    }

    #[test]
    fn a_function_ends_with_its_brace() {
        let code = "impl X {\n fn one() -> Y { if a { b() } }\n fn two();\n}\nfn three() {}";
        let found: Vec<_> = functions(code).iter().map(|found| (found.name, found.line, found.body)).collect();
        assert_eq!(found, [("one", 2, "{ if a { b() } }"), ("three", 5, "{}")]);
    }

    #[test]
    fn calls_are_told_from_other_uses_of_a_name() {
        let code = "bind(a); net::bind(b); rebind(c); x.bind(d); fn bind() {} bind!(e)";
        assert_eq!(count_calls(code, "bind"), 2);
    }

    #[test]
    fn a_definition_is_a_whole_word() {
        assert!(defines("pub fn serve(x: X) {}", "serve"));
        assert!(!defines("fn serve_all() {}", "serve"));
        assert!(defines("pub struct Echo<'a> {", "Echo"));
    }
}
