//! Makes the OpenAPI document from the routes and the types.

use crate::{
    dto,
    roles::Access,
    routes::{self, Route, Takes},
};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// The whole document.
pub(super) fn make() -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "PC2",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The local API of a PC2 node. Commands answer 202 when they are on disk; what becomes of them comes as events. \
                Errors are `{code, message}`: codes never change their meaning. 503 with Retry-After may be sent again. Times are milliseconds since 1970.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "pc2_session", "description": "A browser that was signed in. On other ports than 4200 the name ends with the port: `pc2_session_4201`." },
                "token": { "type": "http", "scheme": "bearer", "description": "The token in `api.json` of the data directory." },
                "key": { "type": "http", "scheme": "bearer", "description": "A key that the owner made, with scopes; each operation names the one it takes. A WebSocket tells what its scopes let it read." },
            },
        },
    })
}

/// Every type of the API, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut out = SchemaGenerator::new(settings.clone().for_serialize());
    macro_rules! describe {
        ($generator:ident: $($name:ident)*) => { $( $generator.subschema_for::<dto::$name>(); )* };
    }
    describe!(out: Problem Health WhoAmI Session Executed WasmAppList WasmApp WasmRunList WasmRun WasmFrame SignInText WalletList Wallet SessionList KeyList NewKey SecurityLog LoginLink Identity ContactList Invitation MessagePage SearchPage Network Reach Doctor
        StoredRecord Record Card TransferList Transfer TransferSettings Traffic ConnectionTest BlobProof ChatSettings Frame Setup PhraseWords Restoring Storage StartSettings NetworkChosen);
    let mut incoming = SchemaGenerator::new(settings.for_deserialize());
    describe!(incoming: ExecuteFile Execute InstallWasmApp SetWasmGrant StartWasmRun WasmInput UseLink UseWallet AddWallet ChangeWallet AddKey SetName AddContact Rename SendMessage PutRecord SetLevel SetShares OfferFiles
        AcceptTransfer SetAuto SetRates EditMessage SetReaction SetChatSettings SetTimer SetReceipts SetSetup RestorePhrase Proof ConfirmPhrase SetPassphrase ChooseNetwork);
    let mut schemas = out.take_definitions(true);
    schemas.extend(incoming.take_definitions(true));
    schemas
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "security": security(route.access),
        "x-roles": route.access.roles(),
        "responses": {
            route.status.to_string(): response(route),
            "default": { "description": "What went wrong", "content": content("Problem") },
        },
    });
    let in_path =
        route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(
            |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    let in_query = route.query.iter().map(|(name, meaning)| {
        json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": "string" } })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Json(name) => {
            operation["requestBody"] = json!({ "required": true, "content": content(name) });
        }
        Takes::OptionalJson(name) => {
            operation["requestBody"] = json!({ "required": false, "content": content(name) });
        }
        Takes::Bytes => {
            let bytes = json!({ "application/octet-stream": {} });
            operation["requestBody"] = json!({ "required": true, "content": bytes });
        }
    }
    operation
}

fn response(route: &Route) -> Value {
    let mut response = json!({ "description": match route.status {
        101 => "The WebSocket; each text frame is one of these",
        202 => "On disk",
        _ => "Done",
    } });
    if let Some(name) = route.gives {
        response["content"] = content(name);
    }
    if let Some(media_type) = route.gives_bytes {
        response["content"] = json!({ media_type: {} });
    }
    response
}

fn content(name: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } })
}

/// How one proves who one is: as a person, at the command line, or by a key with the scope that it takes.
fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::SignedIn | Access::Doors => json!([{ "session": [] }, { "token": [] }]),
        Access::Has(scope) => json!([{ "session": [] }, { "token": [] }, { "key": [scope.name()] }]),
        Access::Something => json!([{ "session": [] }, { "token": [] }, { "key": [] }]),
        Access::CommandLine => json!([{ "token": [] }]),
    }
}
