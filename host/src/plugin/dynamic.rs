//! Calls by name with JSON, for `farrier plugin call`: any function a component exports, known to the host by type or not.
//!
//! Promises the same sandbox and the same grants as typed calls. Does not know the contract's types: it reads the component's.

use serde_json::Value;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Type, Val};

use super::call::{Driver, Lend, grant};
use super::error::CallError;
use super::value;
use super::wit;
use crate::egress::Effect;

/// A function a plugin exports.
#[derive(Clone, Debug)]
pub struct Signature {
    /// `hardening`
    pub interface: String,
    /// `audit`
    pub function: String,
    /// Name and type in words of each argument.
    pub parameters: Vec<(String, String)>,
    /// May it change something? Then `plugin call` wants `--write`.
    pub writes: bool,
}

impl Signature {
    /// `hardening.audit`
    pub fn name(&self) -> String {
        format!("{}.{}", self.interface, self.function)
    }
}

/// A call by name that could not be made or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DynamicError {
    /// No function of this name.
    #[error("the plugin exports no `{name}`; it has {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Several interfaces have it.
    #[error("`{name}` is not unique: {known}")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The full names.
        known: String,
    },
    /// The arguments do not fit.
    #[error("arguments: {0}")]
    Arguments(String),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Driver {
    /// Every function of the contract this plugin exports.
    pub fn signatures(&self) -> Vec<Signature> {
        let functions = self.functions();
        let signature = |(interface, function, ty): &(String, String, ComponentFunc)| Signature {
            interface: interface.clone(),
            function: function.clone(),
            parameters: ty.params().map(|(name, ty)| (name.to_owned(), value::expected(&ty))).collect(),
            writes: grant(interface, function) != Effect::Look,
        };
        functions.iter().map(signature).collect()
    }

    /// The function of this name: `interface.function`, or the function alone where it is unique.
    pub fn signature(&self, name: &str) -> Result<Signature, DynamicError> {
        let all = self.signatures();
        let names = |signatures: &[&Signature]| signatures.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ");
        let found: Vec<&Signature> =
            all.iter().filter(|signature| signature.name() == name || signature.function == name).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(DynamicError::Unknown { name: name.to_owned(), known: names(&all.iter().collect::<Vec<_>>()) }),
            several => Err(DynamicError::Ambiguous { name: name.to_owned(), known: names(several) }),
        }
    }

    /// Call a function. `arguments` is an object by parameter name, an array in order, or null where there are none. The inner
    /// result is the function's own: its ok value, or its error as `{case: payload}`.
    pub async fn call_json(
        &self,
        signature: &Signature,
        arguments: &Value,
        lend: &Lend,
    ) -> Result<Result<Value, Value>, DynamicError> {
        let name = signature.name();
        let unknown = || DynamicError::Unknown { name: name.clone(), known: String::new() };
        let functions = self.functions();
        let (_, _, ty) = functions
            .iter()
            .find(|(interface, function, _)| *interface == signature.interface && *function == signature.function)
            .ok_or_else(unknown)?;
        let parameters: Vec<(String, Type)> = ty.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let params = fit(&parameters, arguments).map_err(DynamicError::Arguments)?;
        let mut results = vec![Val::Bool(false); ty.results().len()];
        let granted = grant(&signature.interface, &signature.function);
        let mut run = self.begin(&name, lend, granted).await?;
        let clock = run.clock();
        let interface = run.instance.get_export_index(&mut run.store, None, &wit::interface(&signature.interface));
        let index = interface
            .and_then(|interface| run.instance.get_export_index(&mut run.store, Some(&interface), &signature.function));
        let function = index.and_then(|index| run.instance.get_func(&mut run.store, index)).ok_or_else(unknown)?;
        if let Err(stop) = clock.wait(function.call_async(&mut run.store, &params, &mut results)).await {
            return Err(clock.judge(stop, run.store.data()).into());
        }
        Ok(match results.first() {
            Some(Val::Result(Ok(payload))) => Ok(payload.as_deref().map_or(Value::Null, value::to_json)),
            Some(Val::Result(Err(payload))) => Err(payload.as_deref().map_or(Value::Null, case)),
            Some(other) => Ok(value::to_json(other)),
            None => Ok(Value::Null),
        })
    }

    fn functions(&self) -> Vec<(String, String, ComponentFunc)> {
        let engine = &self.runtime.engine;
        let ty = self.plugin.component.component_type();
        let mut functions = Vec::new();
        for interface in &self.plugin.interfaces {
            let Some(export) = ty.get_export(engine, &wit::interface(interface)) else { continue };
            let ComponentItem::ComponentInstance(instance) = export.ty else { continue };
            for (name, item) in instance.exports(engine) {
                if let ComponentItem::ComponentFunc(function) = item.ty {
                    functions.push((interface.clone(), name.to_owned(), function));
                }
            }
        }
        functions
    }
}

/// An error is always `{case: payload}`, also where the case has no payload.
fn case(payload: &Val) -> Value {
    match payload {
        Val::Variant(case, None) => value::one(case, Value::Null),
        other => value::to_json(other),
    }
}

fn fit(parameters: &[(String, Type)], arguments: &Value) -> Result<Vec<Val>, String> {
    let expected = || parameters.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match arguments {
        Value::Null if parameters.is_empty() => Ok(Vec::new()),
        Value::Array(values) if values.len() == parameters.len() => {
            values.iter().zip(parameters).map(|(value, (name, ty))| value::from_json(value, ty, name)).collect()
        }
        Value::Object(fields) => {
            if let Some(unknown) = fields.keys().find(|key| parameters.iter().all(|(name, _)| name != *key)) {
                return Err(format!("there is no `{unknown}`; expected {}", expected()));
            }
            let value = |(name, ty): &(String, Type)| match (fields.get(name), ty) {
                (Some(value), _) => value::from_json(value, ty, name),
                (None, Type::Option(_)) => value::from_json(&Value::Null, ty, name),
                (None, _) => Err(format!("`{name}` is missing: {}", value::expected(ty))),
            };
            parameters.iter().map(value).collect()
        }
        Value::Null if parameters.iter().all(|(_, ty)| matches!(ty, Type::Option(_))) => {
            Ok(parameters.iter().map(|_| Val::Option(None)).collect())
        }
        _ => Err(format!("expected an object with {}, or an array in that order", expected())),
    }
}
