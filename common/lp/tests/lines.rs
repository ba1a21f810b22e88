//! Where lines end, and what follows a bad one.

use lp::{Blocks, Chunk, Dialect, Lines, Parser, Reason, whole_lines};

/// (line number, offset, text or reason) of every line.
fn read(text: &str) -> Vec<(u64, u64, Result<String, Reason>)> {
    let mut parser = Parser::new(Dialect::Portable);
    let mut seen = Vec::new();
    Lines::new(text.as_bytes(), Dialect::Portable).for_each_parsed(&mut parser, |raw, line| {
        let text = String::from_utf8_lossy(raw.bytes).into_owned();
        seen.push((raw.number, raw.offset, line.map(|_| text).map_err(|e| e.reason)));
    });
    seen
}

fn good(line: u64, offset: u64, text: &str) -> (u64, u64, Result<String, Reason>) {
    (line, offset, Ok(text.to_owned()))
}

#[test]
fn comments_blank_lines_and_carriage_returns_are_not_lines() {
    let seen = read("# c \"\n\n  \t\n m f=1 1\r\n#m f=1 1\nm f=2 2");
    assert_eq!(seen, [good(4, 11, " m f=1 1"), good(6, 30, "m f=2 2")]);
}

#[test]
fn line_feeds_in_strings_belong_to_the_string() {
    let seen = read("m s=\"a\nb\",t=\"\n\\\"\n\" 1\nm f=1 2\n");
    assert_eq!(seen, [good(1, 0, "m s=\"a\nb\",t=\"\n\\\"\n\" 1"), good(5, 21, "m f=1 2")]);
}

#[test]
fn an_open_quote_costs_only_its_own_line() {
    let seen = read("m s=\"oops 1\nm f=1 2\nm s=\"x\" 3\nm s=\"y\" 4\n");
    assert_eq!(seen[0], (1, 0, Err(Reason::UnterminatedString)));
    assert_eq!(seen[1..], [good(2, 12, "m f=1 2"), good(3, 20, "m s=\"x\" 3"), good(4, 30, "m s=\"y\" 4")]);
}

#[test]
fn an_open_quote_after_a_good_string_with_a_line_feed() {
    let seen = read("m a=\"x\ny\",b=\"oops 1\nm f=1 2\n");
    assert_eq!(seen, [(1, 0, Err(Reason::UnterminatedString)), good(3, 20, "m f=1 2")]);
}

#[test]
fn a_bad_line_with_a_whole_string_is_skipped_whole() {
    // The text inside the string looks like a line; it must not become one.
    let seen = read("m f=bad,s=\"\nfake f=1 1\n\" 1\nm f=1 2\n");
    assert_eq!(seen, [(1, 0, Err(Reason::BadValue)), good(4, 27, "m f=1 2")]);
}

#[test]
fn a_backslash_before_a_line_feed_in_a_tag_continues_the_line_as_in_the_servers() {
    let seen = read("m,t=a\\\nb f=1 1\nm f=1 2\n");
    assert_eq!(seen, [(1, 0, Err(Reason::LineFeed(lp::Element::TagValue))), good(3, 15, "m f=1 2")]);
}

#[test]
fn quotes_outside_of_values_open_nothing() {
    let seen = read("\"m,\"t=\"a \"f=1,g\"=2 1\nm f=1 2\n");
    assert_eq!(seen, [good(1, 0, "\"m,\"t=\"a \"f=1,g\"=2 1"), good(2, 21, "m f=1 2")]);
}

#[test]
fn whole_lines_stop_before_an_open_string() {
    let text = b"m f=1 1\nm s=\"a\nb";
    let whole = |at_end| whole_lines(text, Dialect::V1, at_end, 1 << 20);
    assert_eq!((whole(false), whole(true)), (8, text.len()));
    // Open for longer than a line may be: not a string.
    assert_eq!(whole_lines(text, Dialect::V1, false, 5), 15);
    assert_eq!(whole_lines(b"m f=1 1", Dialect::V1, false, 5), 0);
}

#[test]
fn a_line_over_the_limit_is_named_and_skipped_in_bounded_memory() {
    let long = format!("m s={} 1\n", "x".repeat(1 << 20));
    let text = format!("m f=1 1\n{long}m f=2 2\n");
    let mut blocks = Blocks::with_sizes(text.as_bytes(), Dialect::Portable, 1024, 10_000);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(chunk) = blocks.next_chunk().unwrap() {
        match chunk {
            Chunk::Lines(lines) => good.extend(lines.map(|r| (r.number, r.offset))),
            Chunk::TooLong(e) => bad.push((e.line, e.offset, e.reason)),
        }
    }
    assert_eq!(good, [(1, 0), (3, 8 + long.len() as u64)]);
    assert_eq!(bad, [(2, 8, Reason::LineTooLong)]);
}

#[test]
fn a_string_that_never_closes_does_not_fill_the_memory() {
    let body = "m f=1 1\n".repeat(20_000);
    let text = format!("m s=\"oops 1\n{body}");
    let mut blocks = Blocks::with_sizes(text.as_bytes(), Dialect::Portable, 1024, 10_000);
    let (mut lines_seen, mut largest) = (0, 0);
    while let Some(chunk) = blocks.next_chunk().unwrap() {
        if let Chunk::Lines(lines) = chunk {
            largest = largest.max(lines.as_bytes().len());
            lines_seen += lines.count();
        }
    }
    assert_eq!(lines_seen, 20_001);
    assert!(largest < 13_000, "{largest}");
}

#[test]
fn series_of_lines_whatever_the_order_of_their_tags() {
    let canonical = |text: &str| {
        let mut parser = Parser::new(Dialect::V1);
        let mut out = Vec::new();
        lp::series::canonical(&mut out, &parser.parse(text.as_bytes()).unwrap());
        String::from_utf8(out).unwrap()
    };
    assert_eq!(canonical("m,b=2,a=1,c=\\ 3 f=1"), "m,a=1,b=2,c=\\ 3");
    assert_eq!(canonical("  m,a=1,b=2 f=1"), "m,a=1,b=2");
    assert_eq!(lp::series::key(b" m\\ x,a=\\\\ b f=1", Dialect::V1), Some(&b"m\\ x,a=\\\\ b"[..]));
    assert_eq!(lp::series::key(b"m,a=\\\\ b=1", Dialect::V3), Some(&b"m,a=\\\\"[..]));
    assert_eq!(lp::series::key(b"m", Dialect::V3), None);
}
