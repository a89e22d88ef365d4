use crate::config::values::{LimitKey, LimitName, Rate};
use crate::limit::{self, OnStoreFailure};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};
use std::{borrow::Cow, collections::BTreeMap, fmt, num::NonZeroU32};

/// A limit that routes name in their `limits`: either `rate`, how many requests in a time, or `in_flight`, how many at a time.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = serde_json::json!([{ "required": ["rate"] }, { "required": ["in_flight"] }])))]
pub struct Limit {
    /// What routes call it, and what the caller is told: letters, digits, `_`, `-` and `.`, up to 64 characters.
    pub name: LimitName,
    /// For whom it is counted: `address` (of IPv6 the /64), `principal` (the API key), `account` (all its keys), `route` (all requests of a route
    /// together) or `header:NAME` (each value of that header). Where nobody had to say who they are, `principal` and `account` count by address.
    pub key: LimitKey,
    /// How much in which time, such as `100/s`. Comes back evenly, not at once at the end of the time.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// How much can be spent at once after a pause. Default: as much as `rate` gives in its time.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
    /// How many requests may be in work at a time, until the last byte of their answers; a WebSocket gives its place back when it opens. Counted in each process by itself.
    #[serde(default)]
    pub in_flight: Option<NonZeroU32>,
    /// Other numbers for the API keys of a plan. A plan that is not here has those of the limit itself.
    #[serde(default)]
    pub plans: BTreeMap<String, PlanLimit>,
    /// What becomes of requests while the store of `server.limits` does not answer. Default: `closed`.
    #[serde(default)]
    pub on_store_failure: OnStoreFailure,
}

impl Limit {
    /// The rates: the limit's own, without a name, and those of its plans. None for a limit of requests at a time.
    pub fn rates(&self) -> impl Iterator<Item = (Option<&str>, limit::Rate)> {
        let rated = |rate: Option<Rate>, burst: Option<NonZeroU32>| {
            let rate = rate?.get();
            Some(burst.map_or(rate, |burst| rate.with_burst(burst)))
        };
        let own = rated(self.rate, self.burst).map(|rate| (None, rate));
        let plans = self.plans.iter().filter_map(move |(name, plan)| {
            // A plan's rate brings its own burst; a plan that only has a burst has the limit's rate.
            let burst = if plan.rate.is_some() { plan.burst } else { plan.burst.or(self.burst) };
            Some((Some(name.as_str()), rated(plan.rate.or(self.rate), burst)?))
        });
        own.into_iter().chain(plans)
    }

    /// The numbers of requests at a time: the limit's own, without a name, and those of its plans.
    pub fn in_flights(&self) -> impl Iterator<Item = (Option<&str>, NonZeroU32)> {
        let plans = self
            .plans
            .iter()
            .filter_map(|(name, plan)| Some((Some(name.as_str()), plan.in_flight?)));
        self.in_flight.map(|own| (None, own)).into_iter().chain(plans)
    }
}

/// The numbers of one plan; what is left out is as in the limit itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanLimit {
    /// How much in which time.
    pub rate: Option<Rate>,
    /// How much can be spent at once after a pause. Default: as much as the plan's `rate` gives in its time; without one, as in the limit itself.
    pub burst: Option<NonZeroU32>,
    /// How many requests may be in work at a time.
    pub in_flight: Option<NonZeroU32>,
}

/// A limit as a route names it: `"per-key"`, or `{ name = "per-key", cost = 5 }`.
#[derive(Clone, Debug)]
pub struct LimitUse {
    /// Which one.
    pub name: String,
    /// How many units a request costs. Default: 1.
    pub cost: NonZeroU32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitUseTable {
    /// Which one.
    name: String,
    /// How many units a request costs. Default: `1`.
    #[serde(default = "one")]
    cost: NonZeroU32,
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

impl<'de> Deserialize<'de> for LimitUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LimitUseVisitor;

        impl<'de> Visitor<'de> for LimitUseVisitor {
            type Value = LimitUse;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a limit, or a table with `name` and `cost`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<LimitUse, E> {
                Ok(LimitUse { name: name.to_owned(), cost: one() })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<LimitUse, A::Error> {
                let table = LimitUseTable::deserialize(MapAccessDeserializer::new(table))?;
                Ok(LimitUse { name: table.name, cost: table.cost })
            }
        }

        deserializer.deserialize_any(LimitUseVisitor)
    }
}

/// A cost of one needs no table.
impl Serialize for LimitUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.cost == one() {
            return serializer.serialize_str(&self.name);
        }
        let mut table = serializer.serialize_map(Some(2))?;
        table.serialize_entry("name", &self.name)?;
        table.serialize_entry("cost", &self.cost)?;
        table.end()
    }
}

impl JsonSchema for LimitUse {
    fn schema_name() -> Cow<'static, str> {
        "LimitUse".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<LimitUseTable>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
