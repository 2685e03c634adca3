//! Commands as hostile and ordinary clients write them.

use super::*;

/// What the words of a command are, written so that they can be compared.
fn words(arguments: &[Word]) -> Vec<String> {
    let shown = arguments.iter().map(|word| match word {
        Word::Atom(text) => String::from_utf8_lossy(text).into_owned(),
        Word::String(text) => format!("{:?}", String::from_utf8_lossy(text)),
        Word::Open => "(".to_owned(),
        Word::Close => ")".to_owned(),
    });
    shown.collect()
}

/// The first command in these bytes; every literal that is asked for may come.
fn gathered(bytes: &[u8]) -> Option<Command> {
    let mut gathering = Gathering::default();
    let mut input = Input::default();
    input.extend(bytes);
    loop {
        match gathering.advance(&mut input) {
            Ok(Arrival::Whole(command)) => return Some(command),
            Ok(Arrival::Asks(size)) => gathering.allow(size),
            Ok(Arrival::Nothing) | Err(_) => return None,
        }
    }
}

fn valid(bytes: &[u8]) -> Option<Vec<String>> {
    let command = gathered(bytes).filter(|command| command.is_valid)?;
    Some(words(&command.arguments))
}

#[test]
fn words_come_in_every_form() {
    let command = gathered(b"a1 lOgIn al]ice \"a\\\"\\\\ b\"\r\n").expect("whole");
    assert_eq!((command.tag, command.name), (b"a1".to_vec(), b"LOGIN".to_vec()));
    assert_eq!(words(&command.arguments), ["al]ice", "\"a\\\"\\\\ b\""]);
    assert_eq!(
        valid(b"a LOGIN {5}\r\nal\r\ne {0+}\r\n\r\n"),
        Some(vec!["\"al\\r\\ne\"".to_owned(), "\"\"".to_owned()])
    );
    assert_eq!(
        valid(b"a ID (\"n\" NIL {1}\r\nv \"w\")\r\n"),
        Some(
            ["(", "\"n\"", "NIL", "\"v\"", "\"w\"", ")"]
                .map(str::to_owned)
                .to_vec()
        )
    );
}

#[test]
fn malformed_arguments_are_seen() {
    for line in [
        &b"a LOGIN \"alice secret\r\n"[..],
        b"a LOGIN \"a\"b\r\n",
        b"a LOGIN \"a\\b\" c\r\n",
        b"a LOGIN a\\b c\r\n",
        b"a LOGIN a\"b\" c\r\n",
        b"a LOGIN \"a\0\" c\r\n",
        b"a LOGIN \"a\rb\" c\r\n",
        b"a LOGIN a\0 c\r\n",
        b"a LOGIN a* c\r\n",
        b"a LOGIN \xc3\xbc c\r\n",
        b"a LOGIN a{1}\r\nb\r\n",
        b"a LOGIN ~{1}\r\nb\r\n",
        b"a LOGIN{1}\r\nb\r\n",
        b"a LOGIN {1+}\r\nbc\r\n",
        b"a LOGIN {1+}\r\n\0\r\n",
        b"a LOGIN {} c\r\n",
        b"a LOGIN b(c\r\n",
        b"a LOGIN\tb\r\n",
    ] {
        let command = gathered(line).expect("whole");
        let is_refused = !command.is_valid || command.name != b"LOGIN";
        assert!(is_refused, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn a_tag_is_an_atom_without_a_plus() {
    for line in [
        &b"\r\n"[..],
        b" noop\r\n",
        b"a+b noop\r\n",
        b"* noop\r\n",
        b"\"a\" noop\r\n",
        b"a\x01 noop\r\n",
        b"a\rb noop\r\n",
        b"\xff noop\r\n",
        b"{3+}\r\nabc\r\n",
    ] {
        let command = gathered(line).expect("whole");
        assert_eq!((command.is_valid, command.tag), (false, b"*".to_vec()));
    }
    let line = |bytes: usize| [&vec![b't'; bytes][..], b" noop\r\n"].concat();
    assert_eq!(gathered(&line(64)).expect("whole").tag, vec![b't'; 64]);
    assert_eq!(gathered(&line(65)).expect("whole").tag, b"*");
}

#[test]
fn every_part_has_its_limit() {
    let gather = |bytes: &[u8]| {
        let mut input = Input::default();
        input.extend(bytes);
        match Gathering::default().advance(&mut input) {
            Ok(_) => Ok(input.unread().len()),
            Err(reason) => Err(reason),
        }
    };
    assert_eq!(gather(&[b'x'; 8192]), Ok(8192));
    assert_eq!(gather(&[b'x'; 8193]), Err(TooMuch::Line));
    let long = [b'A'; 8193];
    assert_eq!(
        gather(&[b"a AUTHENTICATE PLAIN ", &long[..], b"\r\n"].concat()),
        Ok(0)
    );
    assert_eq!(
        gather(&[&long[..], b"\r\na AUTHENTICATE PLAIN\r\n"].concat()),
        Err(TooMuch::Line)
    );
    assert_eq!(
        gather(&[b"a AUTHENTICATE PLAIN ", &[b'A'; 20_000][..]].concat()),
        Err(TooMuch::Line)
    );
    assert_eq!(gather(b"a ID {4097+}\r\n"), Err(TooMuch::Literal));
    assert_eq!(gather(b"a ID {18446744073709551615+}\r\n"), Err(TooMuch::Literal));
    let many = [b"a ID (".to_vec(), b"{4+}\r\nabcd ".repeat(10_000)].concat();
    assert_eq!(gather(&many), Err(TooMuch::Line));
}

#[test]
fn a_literal_is_asked_for_once_and_not_waited_for_beyond_its_size() {
    let mut gathering = Gathering::default();
    let mut input = Input::default();
    input.extend(b"a LOGIN {4294967296}\r\n");
    let Ok(Arrival::Asks(size)) = gathering.advance(&mut input) else {
        panic!("the literal is asked for");
    };
    assert_eq!(size, 4_294_967_296);
    assert!(gathering.is_too_big(size));
    assert!(gathering.is_too_big(usize::MAX));
    assert!(gathering.is_too_big(4097));
    assert!(!gathering.is_too_big(4096));
    assert_eq!(gathering.take().map(|command| command.tag), Some(b"a".to_vec()));
    input.extend(b"b NOOP\r\n");
    let Ok(Arrival::Whole(command)) = gathering.advance(&mut input) else {
        panic!("the next command is whole");
    };
    assert_eq!(command.tag, b"b");
}
