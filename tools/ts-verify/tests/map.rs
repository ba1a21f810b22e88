//! `--map`: a source with its own names against a target that `lp-encode` wrote under others.

use std::path::Path;
use testkit::{Outcome, shell, temp_dir};

/// Names that are swapped, so that they cannot be applied to both sides; a tag from a field; a name with a space.
const FLAGS: &str = "--measurement weather --tag room --rename t=hum --rename 'h i=t' --rename room=place --ignore junk --table-as drop";

const SOURCE: &str = "ts|time,tb|table,t|double,h i|double,room|string,n|long,junk|long
2024-01-01T00:00:00Z,a1,1.5,2.5,x,7,1
2024-01-01T00:00:01Z,a1,3.5,4.5,x,8,2
2024-01-01T00:00:00Z,a2,5.5,6.5,y,9,3
";

fn sh(at: &Path, script: &str) -> Outcome {
    shell(script).current_dir(at).env("FLAGS", FLAGS).run()
}

#[test]
fn the_encoders_flags_make_source_and_target_meet() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("source.csv"), SOURCE).unwrap();
    sh(at, "eval lp-encode $FLAGS source.csv -o target.lp").code(0);
    let lines = std::fs::read_to_string(at.join("target.lp")).unwrap();
    assert!(lines.contains("weather,place=x hum=1.5,t=2.5,n=7i"), "{lines}");
    for command in ["rows", "compare"] {
        let text = sh(at, &format!("ts-verify {command} source.csv target.lp --map \"$FLAGS\"")).code(0).text();
        assert!(text.contains(r#""cells":9,"#), "{text}");
        sh(at, &format!("ts-verify {command} source.csv target.lp")).code(1);
    }
    // A digest of the source under the target's names; it is not named once more.
    sh(at, "ts-verify digest source.csv --map \"$FLAGS\" -o source.digest").code(0);
    sh(at, "ts-verify compare source.digest target.lp").code(0);
    sh(at, "ts-verify compare source.csv <(ts-verify digest target.lp) --map \"$FLAGS\"").code(0);
    let outcome = sh(at, "ts-verify compare source.digest target.lp --map \"$FLAGS\"").code(2);
    assert!(outcome.stderr.contains("which is a digest"), "{}", outcome.stderr);
    // Values that changed places are found, under the target's names.
    sh(at, "sed 's/hum=1.5,t=2.5/hum=2.5,t=1.5/' target.lp >swapped.lp").code(0);
    let text = sh(at, "ts-verify rows source.csv swapped.lp --map \"$FLAGS\"").code(1).text();
    assert!(text.contains(r#""measurement":"weather","tags":{"place":"x"}"#), "{text}");
    assert!(text.contains(r#""field":"hum","a":1.5,"b":2.5"#), "{text}");
}

#[test]
fn the_measurement_may_be_a_column_and_types_may_be_said() {
    let directory = temp_dir();
    let at = directory.path();
    let source = "when|time,kind|string,v|long,d|tag\n2024-01-01T00:00:00Z,k1,1,x\n2024-01-01T00:00:00Z,k2,2,x\n";
    std::fs::write(at.join("source.csv"), source).unwrap();
    for flags in
        ["--measurement column:kind --field v:long", "--rename kind=sort --measurement column:kind --time when"]
    {
        sh(at, &format!("lp-encode {flags} source.csv -o target.lp")).code(0);
        let text = sh(at, &format!("ts-verify rows source.csv target.lp --map '{flags}'")).code(0).text();
        assert!(text.contains(r#""series":2,"#), "{text}");
    }
}

#[test]
fn a_map_that_cannot_be_meant_is_2() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("source.csv"), SOURCE).unwrap();
    for (map, part) in [
        ("--nan drop", "--nan"),
        ("--rename t", "OLD=NEW"),
        ("--rename no=yes", "no column 'no' in the input"),
        ("--tag t --field t", "two roles"),
        ("--field t:long", "column t is double in the input"),
        ("--measurement column:no", "no column 'no'"),
        ("--table-as never", "never"),
        ("--rename 't=x", "not closed"),
    ] {
        let outcome = sh(at, &format!("ts-verify rows source.csv source.csv --map \"{map}\"")).code(2);
        assert!(outcome.stderr.contains(part) && outcome.stderr.contains("--map"), "{map}: {}", outcome.stderr);
    }
}
