//! Two StarRocks clusters, partition by partition: each counts or hashes its own rows, both at the same time, and one row
//! comes back for a partition (`counts` of two clusters, `hash`).

use crate::args::{HashArgs, HashWith, ListArgs, SelectArgs};
use crate::cluster::Cluster;
use crate::counted::Source;
use crate::listing::{Listing, Seen, Word};
use crate::sides::{Place, SidesArgs};
use cli::Run;
use fault::{Context, Error, Kind, Result};
use starrocks::catalog::{Column, Partition, Version};
use starrocks::partitions::Selection;
use starrocks::pushdown::{Answer, Function, Question, comparable};
use starrocks::{Client, sql};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to be done.
pub struct Plan<'a> {
    pub list: &'a ListArgs,
    pub sides: &'a SidesArgs,
    pub select: &'a SelectArgs,
    /// `None`: counts.
    pub hash: Option<HashWith>,
}

/// `ts-verify hash`.
pub fn hash(args: &HashArgs, run: &Run) -> Result<()> {
    let given_up = Arc::new(AtomicBool::new(false));
    let (Place::Starrocks(mut a), Place::Starrocks(mut b)) = args.sides.open(&given_up, run)? else {
        return Err(Error::usage(
            "hash is for two StarRocks clusters, which hash their rows alike: use ts-verify counts or compare for others",
        ));
    };
    a.wait(args.query_timeout);
    b.wait(args.query_timeout);
    let plan = Plan { list: &args.list, sides: &args.sides, select: &args.select, hash: Some(args.function) };
    self::run(&plan, [a, b], &given_up, run)
}

/// Two clusters that are asked at the same time.
struct Pair<'a> {
    clusters: [Cluster; 2],
    given_up: &'a AtomicBool,
}

impl Pair<'_> {
    /// Asks both; the first failure ends the wait for the other side.
    fn ask<T: Send>(&mut self, question: impl Fn(usize, &mut Cluster) -> Result<T> + Sync) -> Result<[T; 2]> {
        let (given_up, question) = (self.given_up, &question);
        let ask = |which: usize, cluster: &mut Cluster| {
            question(which, cluster).map_err(|error| (given_up.swap(true, Ordering::Relaxed), error))
        };
        let [a, b] = &mut self.clusters;
        let (x, y) = std::thread::scope(|scope| {
            let other = scope.spawn(move || ask(1, b));
            let x = ask(0, a);
            (x, other.join().unwrap_or_else(|_| Err((false, Error::new(Kind::Bug, "a thread panicked")))))
        });
        match (x, y) {
            (Ok(x), Ok(y)) => Ok([x, y]),
            // Not the one that was told to give up, but the one that failed.
            (Err((true, _)), Err((false, error))) => Err(error),
            (Err((_, error)), _) | (_, Err((_, error))) => Err(error),
        }
    }
}

/// A table as one side has it.
struct Table {
    columns: Vec<Column>,
    partitions: Vec<Partition>,
}

/// Runs it, and says what came of it.
pub fn run(plan: &Plan, clusters: [Cluster; 2], given_up: &AtomicBool, run: &Run) -> Result<()> {
    let names = [clusters[0].name().to_owned(), clusters[1].name().to_owned()];
    let mut listing = Listing::new(plan.list, names, run)?;
    if plan.select.condition.as_ref().is_some_and(|condition| condition.contains(';')) {
        return Err(Error::usage("--where holds a semicolon: it is one condition"));
    }
    let mut pair = Pair { clusters, given_up };
    let versions = pair.ask(|_, cluster| cluster.ask(Client::version))?;
    let question = match plan.hash {
        None => Question::Counts,
        Some(with) => {
            let function = function(with, versions, run)?;
            pair.ask(|_, cluster| cluster.ask(|client| function.check(client)))?;
            Question::Rows(function)
        }
    };
    listing.begin(question, versions);
    let [mine, theirs] = pair.ask(|_, cluster| cluster.tables())?;
    for (name, other) in plan.sides.tables(None, Some(&mine), Some(&theirs))? {
        let there = [mine.contains(&name), theirs.contains(&other)];
        let table = Compared { names: [name, other], plan, question, run };
        table.compare(there, &mut pair, &mut listing)?;
        listing.tables += 1;
    }
    listing.end(plan)
}

/// The function that both have, or the one that is wanted, if both have it.
fn function(with: HashWith, versions: [Version; 2], run: &Run) -> Result<Function> {
    let [a, b] = versions;
    if (a.0, a.1) != (b.0, b.1) {
        run.warn(format!(
            "a is StarRocks {a}, b {b}: where they write floats or nested values in other ways, hashes differ though the values do not"
        ));
    }
    let function = match with {
        HashWith::Auto => Function::of(a, b),
        HashWith::XxHash3 => Function::XxHash3,
        HashWith::Murmur3 => Function::Murmur3,
    };
    match versions.into_iter().zip(["a", "b"]).find(|(version, _)| *version < function.since()) {
        None => Ok(function),
        Some((version, which)) => Err(Error::new(
            Kind::NoVerdict,
            format!(
                "{which} is StarRocks {version}, and {function} is there from {} on: say --function auto",
                function.since()
            ),
        )),
    }
}

/// A table that is compared.
struct Compared<'a> {
    /// In a, and in b.
    names: [String; 2],
    plan: &'a Plan<'a>,
    question: Question,
    run: &'a Run,
}

/// How often a partition is asked again that differs and has changed meanwhile.
const AGAIN: u32 = 3;

impl Compared<'_> {
    fn name(&self, which: usize) -> &str {
        self.names.get(which).map_or("", String::as_str)
    }

    fn compare(&self, there: [bool; 2], pair: &mut Pair, listing: &mut Listing) -> Result<()> {
        let found = pair.ask(|which, cluster| match there.get(which) {
            Some(true) => self.describe(cluster, self.name(which)).map(Some),
            _ => Ok(None),
        })?;
        let columns = match &found {
            [Some(a), Some(b)] => match self.columns(a, b) {
                Ok(columns) => columns,
                Err(what) => return listing.other_columns(&self.names, &what),
            },
            // Rows are counted where they are: there is nothing to compare them with.
            _ => Vec::new(),
        };
        let [a, b] = &found;
        let partitions = |table: &Option<Table>| table.as_ref().map_or(Vec::new(), |table| table.partitions.clone());
        for units in self.pairs(partitions(a), partitions(b), there)? {
            self.run.stop().check()?;
            self.unit(units, &columns, pair, listing).context(|| format!("table {}", self.name(0)))?;
        }
        Ok(())
    }

    fn describe(&self, cluster: &mut Cluster, name: &str) -> Result<Table> {
        let database = cluster.database.clone();
        cluster.ask(|client| {
            Ok(Table { columns: client.columns(&database, name)?, partitions: client.partitions(&database, name)? })
        })
    }

    /// The columns of both, in a's order; or in what they differ.
    fn columns<'t>(&self, a: &'t Table, b: &'t Table) -> std::result::Result<Vec<&'t Column>, String> {
        let ignored = |name: &str| self.plan.select.ignore.iter().any(|other| other.eq_ignore_ascii_case(name));
        let of = |table: &'t Table| table.columns.iter().filter(|column| !ignored(&column.name)).collect::<Vec<_>>();
        let (a, b) = (of(a), of(b));
        let same = |x: &Column, y: &Column| x.name.eq_ignore_ascii_case(&y.name);
        let mut words = Vec::new();
        for column in &a {
            match b.iter().find(|other| same(other, column)) {
                None => words.push(format!("{} is only in a", column.name)),
                // Counts do not depend on how values are written.
                Some(other) if self.question != Question::Counts && !comparable(column, other) => {
                    words.push(format!("{} is {} in a, {} in b", column.name, column.text, other.text));
                }
                Some(_) => {}
            }
        }
        let extra = b.iter().filter(|column| !a.iter().any(|other| same(other, column)));
        words.extend(extra.map(|column| format!("{} is only in b", column.name)));
        match words.is_empty() {
            true => Ok(a),
            false => Err(words.join(", ")),
        }
    }

    /// Partitions of one name; a table without any has one of its own name.
    fn pairs(&self, a: Vec<Partition>, b: Vec<Partition>, there: [bool; 2]) -> Result<Vec<Units>> {
        let selection = self.plan.select.partitions.as_ref();
        if matches!(selection, Some(Selection::Whole)) {
            let unit = |there: bool| there.then_some(Unit { partition: None, version: None });
            return Ok(vec![Units { name: "all".to_owned(), sides: there.map(unit) }]);
        }
        if let Some(Selection::Names(names)) = selection {
            let there = |name: &str| a.iter().chain(&b).any(|partition| partition.name.eq_ignore_ascii_case(name));
            let plain = |text: &str| !text.contains(['*', '?', '[', '{']);
            if let Some(name) = names.iter().find(|name| plain(name.text()) && !there(name.text())) {
                let text = format!("no side has a partition {} of table {}", name.text(), self.name(0));
                return Err(Error::new(Kind::Refused, text));
            }
        }
        let whole = |all: &[Partition], name: &str| matches!(all, [one] if one.name.eq_ignore_ascii_case(name));
        let alone = whole(&a, self.name(0)) && whole(&b, self.name(1));
        let takes = |partition: &Partition| selection.is_none_or(|selection| selection.takes(&partition.name));
        let mut theirs: Vec<Partition> = b.into_iter().filter(takes).collect();
        let unit =
            |partition: Partition| Some(Unit { version: Some(partition.version), partition: Some(partition.name) });
        let mut all = Vec::new();
        for partition in a.into_iter().filter(takes) {
            let same = |other: &Partition| alone || other.name.eq_ignore_ascii_case(&partition.name);
            let other = theirs.iter().position(same).map(|at| theirs.remove(at));
            let name = partition.name.clone();
            all.push(Units { name, sides: [unit(partition), other.and_then(unit)] });
        }
        all.extend(theirs.into_iter().map(|partition| {
            let name = partition.name.clone();
            Units { name, sides: [None, unit(partition)] }
        }));
        Ok(all)
    }

    /// One partition.
    fn unit(&self, mut units: Units, columns: &[&Column], pair: &mut Pair, listing: &mut Listing) -> Result<()> {
        let both = units.sides.iter().all(Option::is_some);
        let question = if both { self.question } else { Question::Counts };
        let mut answers = self.ask(question, &units, columns, pair)?;
        let mut moved = false;
        for again in 0..=AGAIN {
            if !both || answers[0] == answers[1] {
                moved = false;
                break;
            }
            // What differs may have changed between the two answers.
            let versions = self.versions(&units, pair)?;
            moved =
                units.sides.iter().zip(versions).any(|(unit, now)| unit.as_ref().and_then(|unit| unit.version) != now);
            if !moved || again == AGAIN {
                break;
            }
            for (unit, now) in units.sides.iter_mut().zip(versions) {
                unit.iter_mut().for_each(|unit| unit.version = now);
            }
            answers = self.ask(question, &units, columns, pair)?;
        }
        let different = match &answers {
            [Some(a), Some(b)] => a != b,
            [a, b] => a.iter().chain(b).any(|answer| answer.rows > 0),
        };
        let word = match (different, both, &units.sides[0]) {
            (false, ..) => Word::Equal,
            (true, true, _) if moved => Word::Moved,
            (true, true, _) => Word::Differs,
            (true, false, Some(_)) => Word::Missing,
            (true, false, None) => Word::Extra,
        };
        // Which columns it is.
        let detail = match (word, question) {
            (Word::Differs, Question::Counts) => Some(answers.clone()),
            (Word::Differs, Question::Rows(function)) => {
                Some(self.ask(Question::Columns(function), &units, columns, pair)?)
            }
            _ => None,
        };
        let mut versions = units.sides.into_iter().map(|unit| unit.and_then(|unit| unit.version));
        let seen = answers.map(|answer| {
            let version = versions.next().flatten();
            answer.map(|answer| Seen { version, answer })
        });
        listing.partition(&self.names, &units.name, word, seen, columns, detail)
    }

    fn ask(
        &self,
        question: Question,
        units: &Units,
        columns: &[&Column],
        pair: &mut Pair,
    ) -> Result<[Option<Answer>; 2]> {
        let filter = sql::filter(&self.plan.select.condition.iter().cloned().collect::<Vec<_>>());
        pair.ask(|which, cluster| {
            let Some(Some(unit)) = units.sides.get(which) else { return Ok(None) };
            let from = sql::source(&cluster.database, self.name(which), unit.partition.as_deref(), &filter)?;
            self.run.counter("counts").add(1);
            cluster.ask(|client| question.ask(client, columns, &from)).map(Some)
        })
    }

    /// The versions of both now; none of a table as a whole.
    fn versions(&self, units: &Units, pair: &mut Pair) -> Result<[Option<u64>; 2]> {
        pair.ask(|which, cluster| {
            let name = units.sides.get(which).and_then(|unit| unit.as_ref()?.partition.as_deref());
            let Some(name) = name else { return Ok(None) };
            let database = cluster.database.clone();
            let partition = cluster.ask(|client| client.partition(&database, self.name(which), name))?;
            Ok(Some(partition.version))
        })
    }
}

/// What is compared at a time: a partition of both, or of the one that has it.
struct Units {
    name: String,
    sides: [Option<Unit>; 2],
}

/// A partition of one side, or (without a name) all of a table.
struct Unit {
    partition: Option<String>,
    /// When it was asked.
    version: Option<u64>,
}
