//! Topics, and the groups of consumers that read them.

use std::collections::HashMap;

use super::sql::ast::{Expr, Select};

/// What a topic hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    Data,
    /// WITH META.
    Both,
    /// ONLY META.
    Meta,
}

/// What it reads.
#[derive(Debug, Clone)]
pub enum Reads {
    Query(Box<Select>),
    Database,
    /// A super table, and a condition on its tags.
    Stable(String, Option<Expr>),
}

/// CREATE TOPIC.
#[derive(Debug, Clone)]
pub struct Topic {
    pub name: String,
    pub database: String,
    pub carries: Carries,
    pub reads: Reads,
    pub sql: String,
    /// Milliseconds since 1970.
    pub created: i64,
}

/// A consumer group of one topic.
#[derive(Debug, Default)]
struct Group {
    /// Consumers in the order of their arrival.
    members: Vec<u64>,
    committed: HashMap<i32, i64>,
}

/// All topics of a server.
#[derive(Debug, Default)]
pub struct Topics {
    topics: Vec<Topic>,
    /// By topic and group.
    groups: HashMap<(String, String), Group>,
    last_consumer: u64,
}

impl Topics {
    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|t| t.name == name)
    }

    pub fn add(&mut self, topic: Topic) {
        self.topics.push(topic);
    }

    /// Removes a topic with its groups.
    pub fn remove(&mut self, name: &str) {
        self.topics.retain(|t| t.name != name);
        self.groups.retain(|(topic, _), _| topic != name);
    }

    /// True while a consumer is subscribed to it.
    pub fn is_read(&self, name: &str) -> bool {
        self.groups.iter().any(|((topic, _), group)| topic == name && !group.members.is_empty())
    }

    /// A number for a new consumer.
    pub fn next_consumer(&mut self) -> u64 {
        self.last_consumer += 1;
        self.last_consumer
    }

    pub fn join(&mut self, topic: &str, group: &str, consumer: u64) {
        self.groups.entry((topic.to_string(), group.to_string())).or_default().members.push(consumer);
    }

    /// The consumer leaves all topics of its group; what was committed stays.
    pub fn leave(&mut self, group: &str, consumer: u64) {
        for ((_, name), members) in &mut self.groups {
            if name == group {
                members.members.retain(|m| *m != consumer);
            }
        }
    }

    /// The vgroups that are the consumer's: they are dealt out among the members of the group.
    pub fn assigned(&self, topic: &str, group: &str, consumer: u64, vgroups: std::ops::Range<i32>) -> Vec<i32> {
        let Some(group) = self.groups.get(&(topic.to_string(), group.to_string())) else { return Vec::new() };
        let Some(own) = group.members.iter().position(|m| *m == consumer) else { return Vec::new() };
        vgroups.enumerate().filter(|(at, _)| at % group.members.len() == own).map(|(_, id)| id).collect()
    }

    pub fn committed(&self, topic: &str, group: &str, vgroup: i32) -> Option<i64> {
        self.groups.get(&(topic.to_string(), group.to_string()))?.committed.get(&vgroup).copied()
    }

    pub fn commit(&mut self, topic: &str, group: &str, vgroup: i32, offset: i64) {
        let group = self.groups.entry((topic.to_string(), group.to_string())).or_default();
        group.committed.insert(vgroup, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_group_share_the_vgroups() {
        let mut topics = Topics::default();
        topics.join("t", "g", 1);
        topics.join("t", "g", 2);
        topics.join("t", "other", 3);
        let assigned = |topics: &Topics, group, consumer| topics.assigned("t", group, consumer, 2..5);
        assert_eq!((assigned(&topics, "g", 1), assigned(&topics, "g", 2)), (vec![2, 4], vec![3]));
        assert_eq!(assigned(&topics, "other", 3), [2, 3, 4]);
        topics.commit("t", "g", 4, 17);
        topics.leave("g", 1);
        assert_eq!((assigned(&topics, "g", 1), assigned(&topics, "g", 2)), (vec![], vec![2, 3, 4]));
        assert_eq!((topics.committed("t", "g", 4), topics.committed("t", "g", 2)), (Some(17), None));
        topics.remove("t");
        assert_eq!(topics.committed("t", "g", 4), None);
    }
}
