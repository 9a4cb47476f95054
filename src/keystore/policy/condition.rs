//! Conditions: an operator, a key, and the values the policy gives.
//!
//! Operators are `StringEquals`, `StringLike`, `StringEqualsIgnoreCase` and their `Not` forms,
//! `ArnEquals`, `ArnLike` (the same thing) and theirs, `Numeric` and `Date` comparisons, `Bool`,
//! `IpAddress`, `NotIpAddress` and `Null`; each but `Null` also with `IfExists`, and with
//! `ForAllValues:` or `ForAnyValue:` before it. `BinaryEquals` is not understood.
//!
//! A call's value *fits* if it agrees with one of the policy's values. With no qualifier a condition
//! holds if any of the call's values fits; a `Not` form holds if none does, also where the key is
//! absent. `IfExists` makes an absent key hold.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use jiff::Timestamp;

use super::key::{ConditionKey, Fact, Facts};
use super::pattern::{ArnPattern, Pattern};

/// One operator on one key.
#[derive(Debug)]
pub(super) struct Condition {
    operator: Operator,
    key: ConditionKey,
    values: Vec<Value>,
}

/// An operator with its prefix and suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    qualifier: Option<Qualifier>,
    test: Test,
    is_negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Qualifier {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    String { like: bool, ignores_case: bool },
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Address,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd + Copy>(self, a: T, b: T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

/// A value of the policy, read as its operator reads it.
#[derive(Debug)]
enum Value {
    Text { text: Box<str>, ignores_case: bool },
    Pattern(Pattern),
    Arn(ArnPattern),
    Number(f64, Order),
    Date(i64, Order),
    Bool(bool),
    Network { address: IpAddr, bits: u32 },
}

impl Condition {
    /// Reads `values` as `operator` needs them; the error is the first value that cannot be read,
    /// by its index.
    pub(super) fn new(
        operator: Operator,
        key: ConditionKey,
        values: &[String],
    ) -> Result<Self, usize> {
        let read = |(at, text): (usize, &String)| operator.read(text).ok_or(at);
        let values = values.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { operator, key, values })
    }

    /// Whether the condition holds for a call with these facts.
    pub(super) fn holds(&self, facts: &dyn Facts) -> bool {
        let (mut count, mut fitting) = (0_usize, 0_usize);
        facts.each(&self.key, &mut |fact| {
            count += 1;
            fitting += usize::from(self.values.iter().any(|value| value.fits(fact)));
        });
        let Operator { qualifier, test, is_negated, if_exists } = self.operator;
        if test == Test::Null {
            let is_absent = count == 0;
            return self.values.iter().any(|value| value.fits(Fact::Bool(is_absent)));
        }
        if count == 0 && if_exists {
            return true;
        }
        match (qualifier, is_negated) {
            (None | Some(Qualifier::ForAnyValue), false) => fitting > 0,
            (None | Some(Qualifier::ForAllValues), true) => fitting == 0,
            (Some(Qualifier::ForAllValues), false) => fitting == count,
            (Some(Qualifier::ForAnyValue), true) => fitting < count,
        }
    }
}

impl Operator {
    fn read(self, text: &str) -> Option<Value> {
        Some(match self.test {
            Test::String { like: true, ignores_case: false } => {
                Value::Pattern(Pattern::exact_case(text))
            }
            Test::String { ignores_case, .. } => Value::Text { text: text.into(), ignores_case },
            Test::Arn => Value::Arn(ArnPattern::new(text)?),
            Test::Number(order) => {
                let number: f64 = text.parse().ok()?;
                Value::Number(number.is_finite().then_some(number)?, order)
            }
            Test::Date(order) => Value::Date(date(text)?, order),
            Test::Bool | Test::Null => Value::Bool(boolean(text)?),
            Test::Address => {
                let (address, bits) = network(text)?;
                Value::Network { address, bits }
            }
        })
    }
}

impl Value {
    fn fits(&self, fact: Fact<'_>) -> bool {
        match (self, fact) {
            (Self::Text { text, ignores_case: false }, _) => {
                with_text(fact, |fact| fact == &**text)
            }
            (Self::Text { text, ignores_case: true }, _) => with_text(fact, |fact| {
                fact.chars()
                    .flat_map(char::to_lowercase)
                    .eq(text.chars().flat_map(char::to_lowercase))
            }),
            (Self::Pattern(pattern), _) => with_text(fact, |fact| pattern.meets(fact)),
            (Self::Arn(pattern), Fact::Text(fact)) => pattern.meets(fact),
            (Self::Number(number, order), Fact::Number(fact) | Fact::Time(fact)) => {
                order.holds(fact as f64, *number)
            }
            (Self::Number(number, order), Fact::Text(fact)) => {
                fact.parse().is_ok_and(|fact: f64| order.holds(fact, *number))
            }
            (Self::Date(time, order), Fact::Time(fact) | Fact::Number(fact)) => {
                order.holds(fact, *time)
            }
            (Self::Bool(value), Fact::Bool(fact)) => *value == fact,
            (Self::Bool(value), Fact::Text(fact)) => boolean(fact) == Some(*value),
            (Self::Network { address, bits }, Fact::Address(fact)) => within(fact, *address, *bits),
            _ => false,
        }
    }
}

/// A fact as text; only numbers and addresses are written out for it.
fn with_text(fact: Fact<'_>, test: impl FnOnce(&str) -> bool) -> bool {
    match fact {
        Fact::Text(text) => test(text),
        Fact::Bool(true) => test("true"),
        Fact::Bool(false) => test("false"),
        Fact::Number(number) | Fact::Time(number) => test(&number.to_string()),
        Fact::Address(address) => test(&address.to_string()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A date of ISO 8601 in UTC or with an offset, or seconds since 1970.
fn date(text: &str) -> Option<i64> {
    let seconds = text.parse().ok();
    seconds.or_else(|| Some(text.parse::<Timestamp>().ok()?.as_second()))
}

/// An address, or a network as `ADDRESS/BITS`.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(whole), |bits| bits.parse().ok())?;
    (bits <= whole).then_some((address, bits))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let differing = match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
        _ => return false,
    };
    differing.leading_zeros() >= bits
}

impl FromStr for Operator {
    type Err = UnknownOperator;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (qualifier, rest) = match text.split_once(':') {
            None => (None, text),
            Some(("ForAllValues", rest)) => (Some(Qualifier::ForAllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(Qualifier::ForAnyValue), rest),
            Some(_) => return Err(UnknownOperator),
        };
        let (name, if_exists) =
            rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (test, is_negated) = test(name).ok_or(UnknownOperator)?;
        if test == Test::Null && (if_exists || qualifier.is_some()) {
            return Err(UnknownOperator);
        }
        Ok(Self { qualifier, test, is_negated, if_exists })
    }
}

/// The test of an operator, and whether it is its `Not` form.
fn test(name: &str) -> Option<(Test, bool)> {
    let string = |like, ignores_case| Test::String { like, ignores_case };
    let plain = match name {
        "StringEquals" => string(false, false),
        "StringEqualsIgnoreCase" => string(false, true),
        "StringLike" => string(true, false),
        "ArnEquals" | "ArnLike" => Test::Arn,
        "Bool" => Test::Bool,
        "IpAddress" => Test::Address,
        "Null" => Test::Null,
        "StringNotEquals" => return Some((string(false, false), true)),
        "StringNotEqualsIgnoreCase" => return Some((string(false, true), true)),
        "StringNotLike" => return Some((string(true, false), true)),
        "ArnNotEquals" | "ArnNotLike" => return Some((Test::Arn, true)),
        "NotIpAddress" => return Some((Test::Address, true)),
        _ => return ordered(name),
    };
    Some((plain, false))
}

fn ordered(name: &str) -> Option<(Test, bool)> {
    let date = name.strip_prefix("Date");
    let (order, is_negated) = match date.or_else(|| name.strip_prefix("Numeric"))? {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        _ => return None,
    };
    Some((if date.is_some() { Test::Date(order) } else { Test::Number(order) }, is_negated))
}

/// The text names no condition operator that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOperator;

impl fmt::Display for UnknownOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a condition operator that is known here")
    }
}

impl core::error::Error for UnknownOperator {}
