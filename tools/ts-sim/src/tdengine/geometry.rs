//! WKT to WKB, as far as INSERT statements use it: POINT, LINESTRING, POLYGON and their MULTI forms.

/// `POINT(1 2)` as little-endian WKB; `None` when it is none of the forms above.
pub fn wkb(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let open = text.find('(')?;
    let name = text[..open].trim().to_ascii_uppercase();
    let inner = text[open..].trim().strip_prefix('(')?.strip_suffix(')')?;
    let mut out = Vec::new();
    shape(&name, inner, &mut out)?;
    Some(out)
}

fn shape(name: &str, inner: &str, out: &mut Vec<u8>) -> Option<()> {
    let (code, part) = match name {
        "POINT" => (1_u32, ""),
        "LINESTRING" => (2, ""),
        "POLYGON" => (3, ""),
        "MULTIPOINT" => (4, "POINT"),
        "MULTILINESTRING" => (5, "LINESTRING"),
        "MULTIPOLYGON" => (6, "POLYGON"),
        _ => return None,
    };
    out.push(1);
    out.extend_from_slice(&code.to_le_bytes());
    if !part.is_empty() {
        let parts = split(inner)?;
        out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
        return parts.iter().try_for_each(|p| shape(part, strip(p), out));
    }
    match code {
        1 => point(inner, out),
        2 => line(inner, out),
        _ => {
            let rings = split(inner)?;
            out.extend_from_slice(&(rings.len() as u32).to_le_bytes());
            rings.iter().try_for_each(|ring| line(ring.strip_prefix('(')?.strip_suffix(')')?, out))
        }
    }
}

/// Parts at commas outside parentheses.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    parts.push(text[start..].trim());
    (depth == 0).then_some(parts)
}

fn strip(text: &str) -> &str {
    text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text)
}

fn line(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let points: Vec<&str> = text.split(',').collect();
    out.extend_from_slice(&(points.len() as u32).to_le_bytes());
    points.iter().try_for_each(|p| point(p, out))
}

fn point(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut numbers = text.split_whitespace();
    for _ in 0..2 {
        let number: f64 = numbers.next()?.parse().ok()?;
        out.extend_from_slice(&number.to_le_bytes());
    }
    numbers.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::wkb;

    #[test]
    fn shapes_become_the_recorded_bytes() {
        let point = wkb("POINT(3.000000 5.000000)").map(hex::encode);
        assert_eq!(point.as_deref(), Some("010100000000000000000008400000000000001440"));
        let polygon = wkb("POLYGON((1 1, 2 2, 3 1, 1 1))").map(hex::encode);
        assert_eq!(
            polygon.as_deref(),
            Some(
                "01030000000100000004000000000000000000f03f000000000000f03f0000000000000040000000000000004000000000000008\
                 40000000000000f03f000000000000f03f000000000000f03f"
            )
        );
        assert_eq!(wkb("MULTIPOINT((1 2),(3 4))").map(|b| b.len()), Some(9 + 2 * 21));
        for text in ["", "CIRCLE(1 2)", "POINT(1)", "POINT(1 2 3)", "POLYGON((1 1)", "POINT)1("] {
            assert_eq!(wkb(text), None, "{text}");
        }
    }
}
