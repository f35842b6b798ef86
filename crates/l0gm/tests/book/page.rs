//! What a page of the book holds: fenced blocks of code, and the commands in them.

/// A fenced block of code.
pub(crate) struct Block {
    /// The words behind the opening fence, such as "sh" or "sh hours".
    pub(crate) info: String,
    pub(crate) text: String,
    /// Number of the line of its opening fence, from 1.
    pub(crate) line: usize,
}

/// The fenced blocks of a page, in order, and the numbered lines outside of them.
pub(crate) fn read(page: &str) -> (Vec<Block>, Vec<(usize, &str)>) {
    let (mut blocks, mut outside) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for (line, text) in (1..).zip(page.lines()) {
        match (&mut open, text.strip_prefix("```")) {
            (None, Some(info)) => {
                let (info, text) = (info.trim().to_owned(), String::new());
                open = Some(Block { info, text, line });
            }
            (None, None) => outside.push((line, text)),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{text}\n"),
        }
    }
    assert!(open.is_none(), "the last block of code is not closed");
    (blocks, outside)
}

/// The simple commands of a shell script, as words. Commands inside of a quoted word, as in `sh -c '...'`, follow the
/// command they are in. A variable's value is taken to be 1.
pub(crate) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in script.replace("\\\n", " ").lines() {
        let mut command = Vec::new();
        let mut nested = Vec::new();
        for token in tokens(line) {
            match token {
                Token::Word(word) => {
                    if word.contains(' ') {
                        nested.push(word.clone());
                    }
                    command.push(word);
                }
                Token::End => found.push(std::mem::take(&mut command)),
            }
        }
        found.push(command);
        found.extend(nested.iter().flat_map(|script| commands(script)));
    }
    found.retain(|command| !command.is_empty());
    found
}

enum Token {
    Word(String),
    /// A sign that ends a command, such as `|` or `;`.
    End,
}

fn tokens(line: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '$') => {
                while letters
                    .next_if(|c| c.is_alphanumeric() || "_{}".contains(*c))
                    .is_some()
                {}
                word.get_or_insert_default().push('1');
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => found.extend(word.take().map(Token::Word)),
            (None, '|' | ';' | '&' | '(' | ')' | '<' | '>') => {
                found.extend(word.take().map(Token::Word));
                found.push(Token::End);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word.map(Token::Word));
    found
}

#[test]
fn commands_are_found_behind_pipes_in_quotes_and_across_lines() {
    let script = "mpirun -n 2 sh -c 'l0gm run --shard $I/$N \\\n  --out out/mpi'   # ranks\n\
                  id=$(l0gm plan --twin | head -n 1) && l0gm report \"$DIR\"/a > log\n";
    let found: Vec<String> = commands(script)
        .iter()
        .map(|command| command.join(" "))
        .collect();
    let l0gm: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|command| command.starts_with("l0gm"))
        .collect();
    let expected = [
        "l0gm run --shard 1/1 --out out/mpi",
        "l0gm plan --twin",
        "l0gm report 1/a",
    ];
    assert_eq!(l0gm, expected, "{found:?}");
}
