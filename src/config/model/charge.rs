use super::{Config, Route};
use crate::{
    charge::{self, AtLimit, Disconnect},
    config::values::{JsonPointer, PriceAmount, Timeout},
};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

/// What becomes of the money of requests that have a `price`; a route can say otherwise in its own `charge`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Charge {
    /// What becomes of a request whose client leaves: `finish` goes on with it, and who pays depends on how the work ends; `cancel` breaks it off, and the caller has
    /// the money back; `on-accept` breaks it off, and it is paid for if the provider had begun to answer with a success. Default: `finish`.
    pub on_disconnect: Option<Disconnect>,
    /// How long money stays reserved of which nobody knows how the work ended: no answer came, or the gateway was killed. Longer than the `timeout` of the
    /// upstream. Default: `15m`, or a minute more than that `timeout` where that is longer.
    pub time_limit: Option<Timeout>,
    /// What becomes of it then: `release` gives it back, `settle` takes it. Default: `release`.
    pub at_time_limit: Option<AtLimit>,
}

impl Charge {
    /// What is said here, and for what is not, there.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            on_disconnect: self.on_disconnect.or(default.on_disconnect),
            time_limit: self.time_limit.or(default.time_limit),
            at_time_limit: self.at_time_limit.or(default.at_time_limit),
        }
    }
}

impl Config {
    /// For how long money of a request stays reserved, unless its task keeps it longer.
    pub(crate) fn time_limit(&self, route: &Route) -> Timeout {
        let least = Timeout::seconds(15 * 60).max(Timeout::of(self.longest(route)));
        route.charge.or(self.charge).time_limit.unwrap_or(least)
    }

    /// When a request is over, whatever became of it.
    pub(crate) fn longest(&self, route: &Route) -> Duration {
        /// What it may take beyond the timeout of its upstream.
        const MARGIN: Duration = Duration::from_secs(60);
        let timeout = self.upstream.get(&route.upstream).map(|upstream| upstream.timeout.get());
        timeout.unwrap_or_default().saturating_add(MARGIN)
    }
}

/// What a request costs: an amount such as `"0.010"` for every request, or a table.
#[derive(Clone, Debug)]
pub struct Price {
    /// The same for every request.
    pub amount: Option<PriceAmount>,
    /// Where the name stands that is looked up in `table`.
    pub by: Option<JsonPointer>,
    /// Prices by name.
    pub table: Option<BTreeMap<String, PriceAmount>>,
    /// Where the number stands that the price is multiplied with.
    pub times: Option<JsonPointer>,
}

/// A price that depends on the request: `by` and `table`, or `amount`, and `times`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = serde_json::json!([{ "required": ["amount"] }, { "required": ["by", "table"] }])))]
struct PriceTable {
    /// The same for every request, or for each of `times`.
    #[serde(default)]
    amount: Option<PriceAmount>,
    /// Where in the body the name stands that is looked up in `table`, as a JSON Pointer such as `/model`.
    #[serde(default)]
    by: Option<JsonPointer>,
    /// Prices by name. What is not here is refused; what costs nothing is `"0"`.
    #[serde(default)]
    table: Option<BTreeMap<String, PriceAmount>>,
    /// Where in the body a number stands that the price is multiplied with, such as `/num_outputs`; a body without one is charged for once.
    #[serde(default)]
    times: Option<JsonPointer>,
}

impl Price {
    /// As it is asked for; free where it is not whole, which was refused with the configuration.
    pub(crate) fn get(&self) -> charge::Price {
        let price = match (&self.by, &self.table) {
            (Some(by), Some(table)) => {
                let rows = table.iter().map(|(name, price)| (name.as_str(), price.get()));
                charge::Price::table(by.get().clone(), rows)
            }
            _ => charge::Price::fixed(self.amount.map_or(charge::Amount::ZERO, PriceAmount::get)),
        };
        match &self.times {
            Some(times) => price.times(times.get().clone()),
            None => price,
        }
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PriceVisitor;

        impl<'de> Visitor<'de> for PriceVisitor {
            type Value = Price;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price such as \"0.010\", or a table with `by` and `table`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Price, E> {
                let amount = text.parse().map_err(E::custom)?;
                Ok(Price { amount: Some(amount), by: None, table: None, times: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Price, A::Error> {
                let PriceTable { amount, by, table, times } =
                    PriceTable::deserialize(MapAccessDeserializer::new(table))?;
                Ok(Price { amount, by, table, times })
            }
        }

        deserializer.deserialize_any(PriceVisitor)
    }
}

/// One amount for every request needs no table.
impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self { amount: Some(amount), by: None, table: None, times: None } => {
                amount.serialize(serializer)
            }
            Self { amount, by, table, times } => {
                PriceTable { amount, by, table, times }.serialize(serializer)
            }
        }
    }
}

impl JsonSchema for Price {
    fn schema_name() -> Cow<'static, str> {
        "Price".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let amount = generator.subschema_for::<PriceAmount>();
        let table = generator.subschema_for::<PriceTable>();
        schemars::json_schema!({ "anyOf": [amount, table] })
    }
}
