//! Running InfluxQL statements other than SELECT.

use super::accounts::User;
use super::answer::Answer;
use super::flavor::Flavor;
use super::influxql::{Names, Source, Statement};
use super::points::Value;
use super::select::{self, Place, Stop};
use super::server::Server;
use super::store::{Database, Measurement, Policy, default_shard};
use super::time::duration_text;

/// The error of a statement that the server does not have.
pub const NOT_EXECUTED: &str = "not executed";

/// Runs one statement into the answer.
pub fn run(server: &Server, place: &Place, statement: &Statement, answer: &mut Answer) -> Result<(), Stop> {
    let on = |name: &Option<String>| Place {
        database: name.clone().unwrap_or_else(|| place.database.clone()),
        policy: if name.is_some() { None } else { place.policy.clone() },
    };
    match statement {
        Statement::Select(select) => select::run(server, place, select, answer),
        Statement::ShowDatabases => {
            let names: Vec<Vec<u8>> = server.store().databases.keys().map(|n| n.clone().into_bytes()).collect();
            column(answer, "databases", "name", &names)
        }
        Statement::ShowMeasurements { on: database, named, limit } => {
            let mut names: Vec<Vec<u8>> = named_measurements(server, &on(database), &[])?;
            if let Some(Names::One(wanted)) = named {
                names.retain(|n| n == wanted.as_bytes());
            }
            names.truncate(limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX)));
            if names.is_empty() { Ok(()) } else { column(answer, "measurements", "name", &names) }
        }
        Statement::ShowFieldKeys { on: database, from } => {
            per_measurement(server, &on(database), from, answer, |m, answer, name| {
                let types = m.field_types();
                if types.is_empty() {
                    return Ok(());
                }
                answer.begin_series(name, &[], &["fieldKey".to_string(), "fieldType".to_string()])?;
                for (field, ty) in types {
                    answer.row(|row| {
                        row.text(field);
                        row.text(ty.name().as_bytes());
                    })?;
                }
                answer.end_series();
                Ok(())
            })
        }
        Statement::ShowTagKeys { on: database, from } => {
            per_measurement(server, &on(database), from, answer, |m, answer, name| {
                let keys = m.tag_keys();
                if keys.is_empty() {
                    return Ok(());
                }
                answer.begin_series(name, &[], &["tagKey".to_string()])?;
                for key in keys {
                    answer.row(|row| row.text(key))?;
                }
                answer.end_series();
                Ok(())
            })
        }
        Statement::ShowTagValues { on: database, from, keys, cardinality } => {
            per_measurement(server, &on(database), from, answer, |m, answer, name| {
                let mut pairs: Vec<(&str, &[u8])> = Vec::new();
                for key in keys {
                    let mut values: Vec<&[u8]> =
                        m.series.iter().map(|s| s.tag(key.as_bytes())).filter(|v| !v.is_empty()).collect();
                    values.sort_unstable();
                    values.dedup();
                    pairs.extend(values.into_iter().map(|v| (key.as_str(), v)));
                }
                if pairs.is_empty() {
                    return Ok(());
                }
                if *cardinality {
                    return count(answer, name, pairs.len());
                }
                answer.begin_series(name, &[], &["key".to_string(), "value".to_string()])?;
                for (key, value) in pairs {
                    answer.row(|row| {
                        row.text(key.as_bytes());
                        row.text(value);
                    })?;
                }
                answer.end_series();
                Ok(())
            })
        }
        Statement::ShowSeries { on: database, from, filter, cardinality: true, exact } => {
            if server.flavor == Flavor::V29 && !exact {
                return Err(NOT_EXECUTED.to_string().into());
            }
            let mut all = 0;
            per_measurement(server, &on(database), from, answer, |m, answer, name| {
                let passes = |s: &&super::store::Series| filter.as_ref().is_none_or(|f| f.passes_series(m, s));
                let found = m.series.iter().filter(passes).count();
                all += found;
                if *exact && found > 0 { count(answer, name, found) } else { Ok(()) }
            })?;
            if *exact { Ok(()) } else { count(answer, b"", all) }
        }
        Statement::ShowSeries { on: database, from, filter, .. } => {
            let mut keys: Vec<Vec<u8>> = Vec::new();
            per_measurement(server, &on(database), from, answer, |m, _, name| {
                for series in m.series.iter().filter(|s| filter.as_ref().is_none_or(|f| f.passes_series(m, s))) {
                    keys.push(series_key(name, &series.tags));
                }
                Ok(())
            })?;
            keys.sort();
            if keys.is_empty() { Ok(()) } else { column(answer, "", "key", &keys) }
        }
        Statement::ShowPolicies { on: database } => policies(server, &on(database), answer),
        other => change(server, place, other),
    }
}

fn column(answer: &mut Answer, name: &str, title: &str, values: &[Vec<u8>]) -> Result<(), Stop> {
    answer.begin_series(name.as_bytes(), &[], &[title.to_string()])?;
    for value in values {
        answer.row(|row| row.text(value))?;
    }
    answer.end_series();
    Ok(())
}

fn count(answer: &mut Answer, name: &[u8], number: usize) -> Result<(), Stop> {
    answer.begin_series(name, &[], &["count".to_string()])?;
    answer.row(|row| row.value(Some(&Value::Int(number as i64))))?;
    answer.end_series();
    Ok(())
}

fn named_measurements(server: &Server, place: &Place, from: &[Source]) -> Result<Vec<Vec<u8>>, Stop> {
    let store = server.store();
    if from.is_empty() {
        return Ok(place.policy(&store)?.data.names().into_iter().map(<[u8]>::to_vec).collect());
    }
    let mut names = Vec::new();
    for source in from {
        names.extend(select::names(&store, place, source)?);
    }
    Ok(names)
}

fn per_measurement(
    server: &Server,
    place: &Place,
    from: &[Source],
    answer: &mut Answer,
    mut each: impl FnMut(&Measurement, &mut Answer, &[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    for name in named_measurements(server, place, from)? {
        let store = server.store();
        if let Some(measurement) = place.policy(&store)?.data.measurement(&name) {
            each(measurement, answer, &name)?;
        }
    }
    Ok(())
}

/// A series key with the escapes of line protocol.
fn series_key(name: &[u8], tags: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut key = Vec::new();
    let mut part = |text: &[u8], special: &[u8]| {
        for &b in text {
            if special.contains(&b) {
                key.push(b'\\');
            }
            key.push(b);
        }
    };
    part(name, b", ");
    for (tag, value) in tags {
        part(b",", b"");
        part(tag, b",= ");
        part(b"=", b"");
        part(value, b",= ");
    }
    key
}

fn policies(server: &Server, place: &Place, answer: &mut Answer) -> Result<(), Stop> {
    let store = server.store();
    let missing = || Stop::Failed(format!("database not found: {}", place.database));
    let database = store.databases.get(&place.database).ok_or_else(missing)?;
    let titles = ["name", "duration", "shardGroupDuration", "replicaN", "default"].map(str::to_string);
    answer.begin_series(b"", &[], &titles)?;
    for (name, policy) in &database.policies {
        answer.row(|row| {
            row.text(name.as_bytes());
            row.text(duration_text(policy.duration).as_bytes());
            row.text(duration_text(policy.shard).as_bytes());
            row.value(Some(&Value::Int(1)));
            row.value(Some(&Value::Bool(*name == database.default_policy)));
        })?;
    }
    answer.end_series();
    Ok(())
}

fn change(server: &Server, place: &Place, statement: &Statement) -> Result<(), Stop> {
    let mut store = server.store_mut();
    let missing = |name: &str| Stop::Failed(format!("database not found: {name}"));
    let fixed = server.flavor == Flavor::V3;
    let shard_of =
        |duration: i64, shard: Option<i64>| if fixed { 0 } else { shard.unwrap_or_else(|| default_shard(duration)) };
    match statement {
        Statement::CreateDatabase { name, duration, shard, policy } => {
            let duration = duration.unwrap_or(server.retention);
            let policy = policy.as_deref().unwrap_or("autogen");
            store
                .databases
                .entry(name.clone())
                .or_insert_with(|| Database::new(policy, duration, shard_of(duration, *shard)));
        }
        Statement::DropDatabase(name) => {
            store.databases.remove(name);
        }
        Statement::CreatePolicy { name, on, duration, shard, default } => {
            let database = store.databases.get_mut(on).ok_or_else(|| missing(on))?;
            let policy = Policy::new(*duration, shard_of(*duration, *shard));
            database.policies.entry(name.clone()).or_insert(policy);
            if *default {
                database.default_policy.clone_from(name);
            }
        }
        Statement::AlterPolicy { name, on, duration, shard, default } => {
            let database = store.databases.get_mut(on).ok_or_else(|| missing(on))?;
            let absent = || Stop::Failed(format!("retention policy not found: {name}"));
            let policy = database.policies.get_mut(name).ok_or_else(absent)?;
            policy.duration = duration.unwrap_or(policy.duration);
            policy.shard = shard.unwrap_or(policy.shard);
            if *default {
                database.default_policy.clone_from(name);
            }
        }
        Statement::DropMeasurement(name) => {
            let database = store.databases.get_mut(&place.database).ok_or_else(|| missing(&place.database))?;
            for policy in database.policies.values_mut() {
                policy.data.drop_measurement(name.as_bytes());
            }
        }
        Statement::CreateUser { name, password, admin } => {
            let user = User { password: password.clone(), admin: *admin, grants: Default::default() };
            server.accounts_mut().users.insert(name.clone(), user);
        }
        Statement::Grant { read, write, on, to } => {
            let mut accounts = server.accounts_mut();
            let user = accounts.users.get_mut(to).ok_or_else(|| Stop::Failed("user not found".into()))?;
            let grant = user.grants.entry(on.clone()).or_default();
            *grant = (grant.0 || *read, grant.1 || *write);
        }
        _ => {}
    }
    Ok(())
}
