//! Values of the component model as JSON and back, led by the type.
//!
//! The form is the contract's own: names in kebab case, an enum is its name, a variant is `{case: payload}` (a case without
//! payload is its name), an option is the value or null, flags are an array, bytes are an array of numbers.

use serde_json::{Map, Number, Value};
use wasmtime::component::{Type, Val};

/// The JSON form of a value.
pub fn to_json(value: &Val) -> Value {
    match value {
        Val::Bool(flag) => Value::Bool(*flag),
        Val::S8(number) => (*number).into(),
        Val::U8(number) => (*number).into(),
        Val::S16(number) => (*number).into(),
        Val::U16(number) => (*number).into(),
        Val::S32(number) => (*number).into(),
        Val::U32(number) => (*number).into(),
        Val::S64(number) => (*number).into(),
        Val::U64(number) => (*number).into(),
        Val::Float32(number) => Number::from_f64(f64::from(*number)).map_or(Value::Null, Value::Number),
        Val::Float64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Val::Char(c) => Value::String(c.to_string()),
        Val::String(text) => Value::String(text.clone()),
        Val::Enum(name) => Value::String(name.clone()),
        Val::List(items) | Val::Tuple(items) | Val::FixedLengthList(items) => items.iter().map(to_json).collect(),
        Val::Flags(names) => names.iter().map(|name| Value::String(name.clone())).collect(),
        Val::Record(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
        }
        Val::Variant(case, None) => Value::String(case.clone()),
        Val::Variant(case, Some(payload)) => one(case, to_json(payload)),
        Val::Option(value) => value.as_deref().map_or(Value::Null, to_json),
        Val::Result(Ok(value)) => one("ok", value.as_deref().map_or(Value::Null, to_json)),
        Val::Result(Err(value)) => one("error", value.as_deref().map_or(Value::Null, to_json)),
        Val::Map(pairs) => pairs.iter().map(|(key, value)| Value::Array(vec![to_json(key), to_json(value)])).collect(),
        // The contract has none of these in exported signatures.
        Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => Value::Null,
    }
}

/// An object with one field.
pub fn one(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// The value of this type that the JSON says. `at` is where, for the message.
pub fn from_json(value: &Value, ty: &Type, at: &str) -> Result<Val, String> {
    let wrong = || format!("{at}: expected {}", expected(ty));
    let integer = || value.as_i64().ok_or_else(wrong);
    let natural = || value.as_u64().ok_or_else(wrong);
    let narrow = |_| format!("{at}: the number does not fit {}", expected(ty));
    Ok(match ty {
        Type::Bool => Val::Bool(value.as_bool().ok_or_else(wrong)?),
        Type::S8 => Val::S8(integer()?.try_into().map_err(narrow)?),
        Type::U8 => Val::U8(natural()?.try_into().map_err(narrow)?),
        Type::S16 => Val::S16(integer()?.try_into().map_err(narrow)?),
        Type::U16 => Val::U16(natural()?.try_into().map_err(narrow)?),
        Type::S32 => Val::S32(integer()?.try_into().map_err(narrow)?),
        Type::U32 => Val::U32(natural()?.try_into().map_err(narrow)?),
        Type::S64 => Val::S64(integer()?),
        Type::U64 => Val::U64(natural()?),
        Type::Float64 => Val::Float64(value.as_f64().ok_or_else(wrong)?),
        Type::Char => {
            let mut chars = value.as_str().ok_or_else(wrong)?.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Val::Char(c),
                _ => return Err(wrong()),
            }
        }
        Type::String => Val::String(value.as_str().ok_or_else(wrong)?.to_owned()),
        Type::List(list) => {
            let items = value.as_array().ok_or_else(wrong)?.iter().enumerate();
            Val::List(
                items.map(|(i, item)| from_json(item, &list.ty(), &format!("{at}[{i}]"))).collect::<Result<_, _>>()?,
            )
        }
        Type::Tuple(tuple) => {
            let items = value.as_array().filter(|items| items.len() == tuple.types().len()).ok_or_else(wrong)?;
            let values = items.iter().zip(tuple.types()).enumerate();
            Val::Tuple(
                values.map(|(i, (item, ty))| from_json(item, &ty, &format!("{at}[{i}]"))).collect::<Result<_, _>>()?,
            )
        }
        Type::Record(record) => {
            let object = value.as_object().ok_or_else(wrong)?;
            let known: Vec<_> = record.fields().map(|field| (field.name.to_owned(), field.ty)).collect();
            if let Some(unknown) = object.keys().find(|key| known.iter().all(|(name, _)| name != *key)) {
                return Err(format!("{at}: no field is called `{unknown}`; {}", expected(ty)));
            }
            let field = |(name, ty): (String, Type)| {
                let value = match (object.get(&name), &ty) {
                    (Some(value), _) => value,
                    (None, Type::Option(_)) => &Value::Null,
                    (None, _) => return Err(format!("{at}: the field `{name}` is missing")),
                };
                from_json(value, &ty, &format!("{at}.{name}")).map(|value| (name, value))
            };
            Val::Record(known.into_iter().map(field).collect::<Result<_, _>>()?)
        }
        Type::Variant(variant) => {
            let (case, payload) = match value {
                Value::String(case) => (case.as_str(), None),
                Value::Object(fields) if fields.len() == 1 => {
                    fields.iter().next().map(|(case, payload)| (case.as_str(), Some(payload))).ok_or_else(wrong)?
                }
                _ => return Err(wrong()),
            };
            let found = variant.cases().find(|known| known.name == case).ok_or_else(wrong)?;
            let payload = match (found.ty, payload) {
                (None, None | Some(Value::Null)) => None,
                (Some(ty), Some(payload)) => Some(Box::new(from_json(payload, &ty, &format!("{at}.{case}"))?)),
                (Some(ty @ Type::Option(_)), None) => Some(Box::new(from_json(&Value::Null, &ty, at)?)),
                _ => return Err(wrong()),
            };
            Val::Variant(case.to_owned(), payload)
        }
        Type::Enum(names) => {
            let name = value.as_str().filter(|name| names.names().any(|known| known == *name)).ok_or_else(wrong)?;
            Val::Enum(name.to_owned())
        }
        Type::Option(_) if value.is_null() => Val::Option(None),
        Type::Option(option) => Val::Option(Some(Box::new(from_json(value, &option.ty(), at)?))),
        Type::Flags(flags) => {
            let names = value.as_array().ok_or_else(wrong)?.iter().map(|name| {
                name.as_str()
                    .filter(|name| flags.names().any(|known| known == *name))
                    .map(str::to_owned)
                    .ok_or_else(wrong)
            });
            Val::Flags(names.collect::<Result<_, _>>()?)
        }
        _ => return Err(format!("{at}: a value of this type cannot be written as JSON")),
    })
}

/// A type in words, one level deep.
pub fn expected(ty: &Type) -> String {
    let list = |names: Vec<String>| names.join(", ");
    match ty {
        Type::Bool => "true or false".to_owned(),
        Type::S8 | Type::S16 | Type::S32 | Type::S64 => "a whole number".to_owned(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => "a number from 0".to_owned(),
        Type::Float32 | Type::Float64 => "a number".to_owned(),
        Type::Char => "one character".to_owned(),
        Type::String => "a text".to_owned(),
        Type::List(items) => format!("an array of {}", expected(&items.ty())),
        Type::Tuple(items) => format!("an array of {} values", items.types().len()),
        Type::Record(record) => {
            format!("an object with {}", list(record.fields().map(|field| field.name.to_owned()).collect()))
        }
        Type::Variant(variant) => {
            let case = |case: wasmtime::component::types::Case<'_>| match case.ty {
                Some(_) => format!("{{\"{}\": …}}", case.name),
                None => format!("\"{}\"", case.name),
            };
            format!("one of {}", list(variant.cases().map(case).collect()))
        }
        Type::Enum(names) => format!("one of {}", list(names.names().map(|name| format!("\"{name}\"")).collect())),
        Type::Option(option) => format!("{} or null", expected(&option.ty())),
        Type::Flags(flags) => format!("an array of {}", list(flags.names().map(str::to_owned).collect())),
        _ => "a value".to_owned(),
    }
}
