//! The grammar of the small shell: a script becomes a flat list of steps.

/// One command with what joins it to the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// How it hangs on the step before.
    pub(super) joint: Joint,
    /// The command and its arguments, quotes removed.
    pub(super) words: Vec<String>,
    /// In the order in which they were written.
    pub(super) redirects: Vec<Redirect>,
    /// Preceded by `!`.
    pub(super) negated: bool,
}

/// What stands between two commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    /// `;` or a new line.
    Always,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
}

/// Where a command's input comes from or its output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// `< PATH`
    In(String),
    /// `> PATH`
    Out(String),
    /// `>> PATH`
    Append(String),
    /// `2> PATH`
    Error(String),
    /// `2>&1`
    ErrorToOut,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Joint(Joint),
    /// An operator that takes the next word as its path.
    Operator(&'static str),
    ErrorToOut,
}

/// Splits a script into steps.
///
/// # Errors
/// What is not understood, in a few words.
pub(super) fn parse(script: &str) -> Result<Vec<Step>, String> {
    let empty = |joint| Step { joint, words: Vec::new(), redirects: Vec::new(), negated: false };
    let mut steps = Vec::new();
    let mut step = empty(Joint::Always);
    let mut tokens = tokens(script)?.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if word == "!" && step.words.is_empty() => step.negated = true,
            Token::Word(word) => step.words.push(word),
            Token::ErrorToOut => step.redirects.push(Redirect::ErrorToOut),
            Token::Operator(operator) => {
                let Some(Token::Word(path)) = tokens.next() else {
                    return Err(format!("`{operator}` without a file"));
                };
                step.redirects.push(match operator {
                    "<" => Redirect::In(path),
                    ">>" => Redirect::Append(path),
                    "2>" => Redirect::Error(path),
                    _ => Redirect::Out(path),
                });
            }
            Token::Joint(joint) => {
                let is_empty = step.words.is_empty() && step.redirects.is_empty();
                if is_empty && joint == Joint::Always {
                    // A new line after `&&` goes on with the same list; an empty line is nothing.
                    continue;
                }
                if is_empty {
                    return Err("a list begins with an operator".to_owned());
                }
                steps.push(std::mem::replace(&mut step, empty(joint)));
            }
        }
    }
    if !step.words.is_empty() || !step.redirects.is_empty() {
        steps.push(step);
    } else if step.joint != Joint::Always {
        return Err("end of file unexpected".to_owned());
    }
    Ok(steps)
}

fn tokens(script: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = script.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(letter) => word.push(letter),
                        None => return Err("unterminated quoted string".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') => match rest.next() {
                            Some('\n') => {}
                            Some(letter @ ('"' | '\\' | '$' | '`')) => word.push(letter),
                            Some(letter) => word.extend(['\\', letter]),
                            None => return Err("unterminated quoted string".to_owned()),
                        },
                        Some(letter) => word.push(letter),
                        None => return Err("unterminated quoted string".to_owned()),
                    }
                }
            }
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some(letter) => word.get_or_insert_default().push(letter),
            },
            '#' if word.is_none() => while rest.next_if(|letter| *letter != '\n').is_some() {},
            ' ' | '\t' | '\r' => found.extend(word.take().map(Token::Word)),
            '\n' | ';' => {
                found.extend(word.take().map(Token::Word));
                found.push(Token::Joint(Joint::Always));
            }
            '&' if rest.next_if_eq(&'&').is_some() => {
                found.extend(word.take().map(Token::Word));
                found.push(Token::Joint(Joint::And));
            }
            '|' => {
                found.extend(word.take().map(Token::Word));
                let or = rest.next_if_eq(&'|').is_some();
                found.push(Token::Joint(if or { Joint::Or } else { Joint::Pipe }));
            }
            '>' if word.as_deref() == Some("2") => {
                word = None;
                if rest.next_if_eq(&'&').is_some() {
                    rest.next_if_eq(&'1');
                    found.push(Token::ErrorToOut);
                } else {
                    found.push(Token::Operator("2>"));
                }
            }
            '>' => {
                if word.as_deref() == Some("1") {
                    word = None;
                }
                found.extend(word.take().map(Token::Word));
                let append = rest.next_if_eq(&'>').is_some();
                found.push(Token::Operator(if append { ">>" } else { ">" }));
            }
            '<' => {
                found.extend(word.take().map(Token::Word));
                found.push(Token::Operator("<"));
            }
            letter => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word.map(Token::Word));
    Ok(found)
}
