//! `--html FILE`: one page, readable in every way, in which data stays data.

use std::path::Path;
use testkit::{Outcome, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,v|double,note|string\n";

fn report(directory: &Path, command: &str, options: &[&str], a: &str, b: &str) -> (Outcome, String) {
    std::fs::write(directory.join("a.csv"), a).unwrap();
    std::fs::write(directory.join("b.csv"), b).unwrap();
    let tool = tool("ts-verify").arg(command).args(options).args(["--html", "report.html", "a.csv", "b.csv"]);
    let outcome = tool.current_dir(directory).run();
    let page = std::fs::read_to_string(directory.join("report.html")).unwrap_or_default();
    (outcome, page)
}

/// Hourly rows of two devices over some days.
fn data(days: u32) -> String {
    let row = |i: u32| format!("2024-01-{:02}T{:02}:00:00Z,d{},{i}.5,note {i}\n", 1 + i / 48, i / 2 % 24, i % 2);
    HEAD.to_owned() + &(0..days * 48).map(row).collect::<String>()
}

/// How many fields of the map are in a state, and how many of them say so.
fn fields(page: &str, class: &str, symbol: &str) -> usize {
    let n = page.matches(&format!("<td class=\"c {class}\">")).count();
    let said = format!("<td class=\"c {class}\"><span aria-hidden=\"true\">{symbol}</span><span class=\"v\">");
    assert_eq!(page.matches(&said).count(), n, "a field without a symbol and a text");
    n
}

#[test]
fn the_map_shows_every_state_in_colour_symbol_and_words() {
    let directory = temp_dir();
    let b: String = data(3)
        .lines()
        .filter(|line| !line.contains("-02T03:00:00Z,d1") && !line.contains("-02T05:"))
        .map(|l| format!("{l}\n"))
        .collect();
    let b = b.replace("note 20", "note");
    let a: String = data(3).lines().filter(|line| !line.contains("-02T09:")).map(|l| format!("{l}\n")).collect();
    let b: String = b.lines().filter(|line| !line.contains("-02T09:")).map(|l| format!("{l}\n")).collect();
    let options = ["--measurement", "m", "--allow", "string_truncated", "--since", "2024-01-01T02:00:00Z"];
    let (outcome, page) = report(directory.path(), "rows", &options, &a, &b);
    outcome.code(1);
    assert!(page.contains("<p class=\"verdict different\"><strong>different</strong> 3 missing</p>"), "{page}");
    assert!(page.contains("Everything that was asked for was compared, down to the level: rows."));
    // Three days of 24 hours: 03 and 05 of the second differ, 09 has no data, 10 of the first is only truncated, and the
    // first two hours were not looked at.
    assert_eq!(fields(&page, "di", "≠"), 2);
    assert_eq!(fields(&page, "to", "~"), 1);
    assert_eq!(fields(&page, "un", "?"), 2);
    assert_eq!(fields(&page, "no", "·"), 1);
    assert_eq!(fields(&page, "eq", "="), 72 - 6);
    assert!(page.contains("<td class=\"s\">3 differing, 43 equal (03h: 1 of 2; 05h: 2 of 2)</td>"), "{page}");
    assert!(page.contains("<td class=\"s\">1 tolerated, 43 equal</td>"), "{page}");
    assert!(page.contains("<h3>table m</h3>") && page.contains("<caption>3 of 3</caption>"));
    assert!(
        page.contains("<tr><th scope=\"row\">rows</th><td class=\"n\">138</td><td class=\"n\">135</td></tr>"),
        "{page}"
    );
    assert!(page.contains("<tr><th scope=\"row\">string_truncated</th><td>1 (allowed)</td></tr>"));
    assert!(page.contains("<tr><th scope=\"row\">bucket</th><td>3600000000000</td></tr>"));
    assert!(page.contains(&format!("ts-verify {}.", env!("CARGO_PKG_VERSION"))));
    // The digests alone tell no tolerated ones apart.
    let (outcome, page) = report(directory.path(), "compare", &options, &a, &b);
    outcome.code(1);
    assert_eq!((fields(&page, "di", "≠"), fields(&page, "to", "~"), fields(&page, "eq", "=")), (3, 0, 66));
}

#[test]
fn nan_is_what_the_verdict_says_it_is() {
    let directory = temp_dir();
    let (a, b) = (data(1).replace(",7.5,", ",NaN,"), data(1).replace(",7.5,", ",,"));
    for command in ["rows", "compare"] {
        for (options, code, differing, tolerated) in [
            (&[][..], 1, 1, 0),
            (&["--allow", "nan_inf"], 0, 0, 1),
            (&["--allow", "nan_inf:1"], 0, 0, 1),
            (&["--allow", "nan_inf:0"], 1, 1, 0),
        ] {
            let (outcome, page) = report(directory.path(), command, options, &a, &b);
            outcome.code(code);
            let seen = (fields(&page, "di", "≠"), fields(&page, "to", "~"));
            assert_eq!(seen, (differing, tolerated), "{command} {options:?}");
        }
    }
}

#[test]
fn every_verdict_has_its_page() {
    let directory = temp_dir();
    let (outcome, page) = report(directory.path(), "rows", &[], &data(1), &data(1));
    outcome.code(0);
    assert!(page.contains("verdict equal\"><strong>equal</strong> 96 cells in 48 rows"), "{page}");
    assert!(page.contains("None is shown."));
    let (outcome, page) = report(directory.path(), "compare", &["--sample", "1/2", "--seed", "1"], &data(1), &data(1));
    outcome.code(10);
    assert!(page.contains("verdict sampled\"><strong>sampled</strong> no difference in 1/2 seed 1"), "{page}");
    assert!(page.contains("Not everything was looked at") && !page.contains("Everything that was asked"));
    assert!(page.contains("<tr><th scope=\"row\">sample</th><td>1/2 seed 1</td></tr>"));
    let (outcome, page) = report(directory.path(), "rows", &[], HEAD, HEAD);
    outcome.code(10);
    assert!(page.contains("verdict none\"><strong>no verdict</strong> both sides are empty"), "{page}");
    assert!(page.contains("There is no bucket on either side."));
    // A comparison that could not be made has no page, and the old one stays.
    let (outcome, old) = report(directory.path(), "rows", &[], HEAD, "ts|time,v|long\nyesterday,1\n");
    outcome.code(3);
    assert_eq!(old, page);
    let bad = ["rows", "a.csv", "a.csv", "--html", "no/such/directory/x.html"];
    tool("ts-verify").args(bad).current_dir(directory.path()).run().code(7);
}

/// Data that is HTML, wherever data is shown: in names of files, tables, tags and fields, and in values.
#[test]
fn data_stays_data() {
    let directory = temp_dir();
    let evil = "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(1)>\u{202e}\u{7}";
    let cell = format!("\"{}\"", evil.replace('"', "\"\""));
    let head = format!("ts|time,\"{0}tag|tag\",v|double,\"{0}field|string\"\n", evil.replace('"', "\"\""));
    let side = |text: &str| format!("{head}2024-01-01T00:00:00Z,{cell},1,{text}\n2024-01-01T01:00:00Z,{cell},2,\n");
    let name = "<script>alert(2)<b>.csv".replace('/', "");
    std::fs::write(directory.path().join(&name), side(&cell)).unwrap();
    std::fs::write(
        directory.path().join("b.csv"),
        side("\"<i>x</i>\"") + &format!("2024-01-01T02:00:00Z,{cell},1,{cell}\n"),
    )
    .unwrap();
    let args = ["rows", &name, "b.csv", "--measurement", evil, "--html", "report.html"];
    tool("ts-verify").args(args).current_dir(directory.path()).run().code(1);
    let page = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&lt;i&gt;x&lt;/i&gt;"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(2)&lt;b&gt;.csv") && page.contains("\\u{202e}"));
    // Every tag is one of ours, with attributes of ours only.
    let body = page.split_once("</style>").unwrap().1;
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let ours = "head body main html h1 h2 h3 p strong table thead tbody tr th td caption div span ul li b code";
        assert!(ours.split(' ').any(|known| known == name), "<{tag}>");
        // Outside of quotes there is nothing but the names of attributes.
        let bare: String = tag.split('"').step_by(2).collect();
        for word in bare.split(' ').skip(1) {
            let attributes = ["class=", "scope=", "tabindex=", "role=", "aria-label=", "aria-hidden="];
            assert!(attributes.contains(&word), "{word} in <{tag}>");
        }
    }
    for bad in ["\u{202e}", "\u{7}", "src=x on", "href", "http:", "https:", "url(", "@import"] {
        assert!(!page.replace("&lt;img src=x on", "").contains(bad), "{bad:?} is in the page");
    }
}

#[test]
fn a_page_has_an_end() {
    let directory = temp_dir();
    let row = |day: i64| format!("{},d,1,{}\n", date(day), "long ".repeat(200));
    let date_rows: String = (0..3000).map(row).collect();
    let a = HEAD.to_owned() + &date_rows;
    let (outcome, page) = report(directory.path(), "rows", &[], &a, &a.replacen(",1,", ",2,", 500));
    outcome.code(1);
    assert_eq!(page.matches("<th scope=\"row\">").count(), 2000 + 9 + 11, "days of the map, lines of other tables");
    assert!(page.contains("Further days have no room here: 1000 equal buckets."), "{}", page.len());
    assert!(page.contains("<caption>100 of 500</caption>"));
    assert!(page.len() < 8 << 20, "{}", page.len());
}

/// An RFC 3339 date so many days after 2000-01-01 (civil from days).
fn date(day: i64) -> String {
    let z = day + 10_957 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    format!("{:04}-{month:02}-{:02}T00:00:00Z", yoe + era * 400 + i64::from(month <= 2), doy - (153 * mp + 2) / 5 + 1)
}
