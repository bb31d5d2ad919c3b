//! The limits that somebody asks for: an app's manifest, or whoever starts a run. What is not named is the node's, and nothing is ever more than that.
//!
//! Not here: what each limit means and its range ([`super::limits`]).

use super::limits::{Limits, RANGES};
use serde::{Deserialize, Serialize};

macro_rules! asks {
    ($($field:ident),*) => {
        /// Some of [`Limits`], by the same names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct LimitsAsk { $(
            #[doc = concat!("See [`Limits::", stringify!($field), "`].")]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $field: Option<u64>
        ),* }

        impl LimitsAsk {
            /// These limits within those of the node.
            #[must_use]
            pub fn within(&self, node: &Limits) -> Limits {
                Limits { $($field: self.$field.map_or(node.$field, |asked| asked.min(node.$field))),* }
            }

            /// The smaller of two in each: an app's, and those of whoever starts it.
            #[must_use]
            pub fn and(&self, other: &Self) -> Self {
                Self { $($field: self.$field.into_iter().chain(other.$field).min()),* }
            }

            fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter().filter_map(|(name, asked)| Some((name, asked?)))
            }
        }
    };
}

asks!(
    fuel,
    time_ms,
    memory_bytes,
    table_elements,
    stack_bytes,
    module_bytes,
    functions,
    output_bytes,
    file_bytes,
    written_bytes,
    compile_ms,
    compile_memory_bytes
);

impl LimitsAsk {
    /// Whether each is enough to run anything at all.
    ///
    /// # Errors
    /// A sentence about the first that is not.
    pub fn check(&self) -> Result<(), String> {
        for (name, asked) in self.named() {
            let range = RANGES.iter().find(|range| range.name == name);
            if let Some(range) = range.filter(|range| asked < range.least) {
                return Err(format!("limits.{name} is {asked}, and must be {} or more", range.least));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_the_nodes_and_nothing_is_more() {
        let node = Limits { time_ms: 60_000, ..Limits::default() };
        assert_eq!(LimitsAsk::default().within(&node), node);
        let ask = LimitsAsk { time_ms: Some(5_000), memory_bytes: Some(u64::MAX), ..LimitsAsk::default() };
        assert_eq!(ask.within(&node), Limits { time_ms: 5_000, ..node });
        let other = LimitsAsk { time_ms: Some(1_000), fuel: Some(7), ..LimitsAsk::default() };
        let both = ask.and(&other).within(&node);
        assert_eq!((both.time_ms, both.fuel, both.memory_bytes), (1_000, 7, node.memory_bytes));
    }

    #[test]
    fn every_limit_there_is_can_be_asked_for_by_its_name() {
        for range in RANGES {
            let ask: LimitsAsk = toml::from_str(&format!("{} = {}", range.name, range.least)).expect("known");
            assert_eq!(ask.named().collect::<Vec<_>>(), [(range.name, range.least)]);
            assert_eq!(ask.check(), Ok(()));
        }
        assert!(toml::from_str::<LimitsAsk>("rabbits = 1").is_err());
    }

    #[test]
    fn too_little_to_run_anything_is_refused() {
        let ask = LimitsAsk { stack_bytes: Some(1), ..LimitsAsk::default() };
        let problem = ask.check().expect_err("too little");
        assert!(problem.starts_with("limits.stack_bytes is 1"), "{problem}");
    }
}
