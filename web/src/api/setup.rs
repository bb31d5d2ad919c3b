//! The setup of a node, its recovery phrase and its passphrase: for the owner, in a browser or at the command line.
//!
//! While the setup is not over, being signed in as the owner is enough: whoever is has the one-time link of the start. Afterwards the phrase is shown, and the
//! passphrase changed, only to who proves anew to be the owner. Each such try counts like a sign-in, and derivations of keys run one at a time.
//!
//! Not here: files ([`crate::keeper`]).

use crate::{
    answer,
    app::App,
    dto::{self, Hidden, Proof, SetupStep},
    keeper::{ASKED_WORDS, CarriedSession, Keeper, KeeperError, SetupState, draw_asks},
    problem::Problem,
    request::Call,
    roles::Caller,
};
use pc2_protocols::crypto::phrase::Phrase;
use std::{net::IpAddr, sync::Arc};
use warp::{http::StatusCode, reply::Response};

/// Shortest passphrase, in characters: what is shorter is found in an afternoon, however dear each guess is.
const MIN_PASSPHRASE: usize = 8;

/// Longest passphrase, in characters.
const MAX_PASSPHRASE: usize = 1_000;

/// `GET /api/setup`.
pub(crate) async fn show(app: &Arc<App>, _call: Call) -> Result<Response, Problem> {
    told(app).await
}

/// `PUT /api/setup`.
pub(crate) async fn set_step(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::SetSetup { step } = call.json()?;
    let finished = step == SetupStep::Done;
    let state = SetupState { step, finished, stayed: false, ..unfinished(app)? };
    kept(app, move |keeper| keeper.put_setup(state)).await?;
    told(app).await
}

/// `POST /api/setup/restore`.
pub(crate) async fn restore(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::RestorePhrase { phrase } = call.json()?;
    let state = unfinished(app)?;
    in_pace(app, call.from)?;
    let phrase: Phrase =
        phrase.show().parse().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_phrase", error))?;
    let node = phrase.keys().node();
    let same = node == app.node.account();
    if same {
        let state = SetupState { step: SetupStep::Name, confirmed: true, ..state };
        kept(app, move |keeper| keeper.put_setup(state)).await?;
    } else if !app.node.untouched().await? {
        return Err(Problem::identity_in_use());
    } else {
        let session = carried(app, &call.caller);
        kept(app, move |keeper| keeper.replace(&phrase, session)).await?;
    }
    Ok(answer::json(StatusCode::ACCEPTED, &dto::Restoring { did: node.did().to_string(), same }))
}

/// `POST /api/identity/phrase`.
pub(crate) async fn phrase(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let proof: Proof = call.optional_json()?;
    proved(app, call.from, proof).await?;
    let phrase = app.keeper.phrase().ok_or_else(Problem::phrase_not_kept)?;
    // Written down first: nobody sees it without a trace.
    let now = app.now();
    app.change_by(call.caller, move |kept, by| {
        kept.phrase_shown(by, now);
        Ok(())
    })
    .await?;
    tracing::info!("the recovery phrase was shown to the owner");
    let words = phrase.words().map(str::to_owned).collect();
    Ok(answer::json(StatusCode::OK, &dto::PhraseWords { words }))
}

/// `POST /api/identity/phrase/confirm`.
pub(crate) async fn confirm(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::ConfirmPhrase { words } = call.json()?;
    in_pace(app, call.from)?;
    let phrase = app.keeper.phrase().ok_or_else(Problem::phrase_not_kept)?;
    let state = app.keeper.setup();
    let right = fits(&phrase, state.asks, &words);
    // Other words are asked after a mistake: who guesses has to know all of them.
    let asks = if right {
        state.asks
    } else {
        draw_asks(phrase.words().count()).map_err(|error| Problem::internal(&error))?
    };
    let state = SetupState { confirmed: state.confirmed || right, asks, ..state };
    kept(app, move |keeper| keeper.put_setup(state)).await?;
    if right { told(app).await } else { Err(Problem::wrong_words()) }
}

/// `PUT /api/identity/passphrase`.
pub(crate) async fn set_passphrase(app: &Arc<App>, call: Call) -> Result<Response, Problem> {
    let dto::SetPassphrase { passphrase, proof } = call.json()?;
    let length = passphrase.as_ref().map(|passphrase| passphrase.show().chars().count());
    if length.is_some_and(|length| !(MIN_PASSPHRASE..=MAX_PASSPHRASE).contains(&length)) {
        return Err(Problem::bad_passphrase(MIN_PASSPHRASE, MAX_PASSPHRASE));
    }
    proved(app, call.from, proof).await?;
    derived(app, move |keeper| keeper.seal(passphrase.as_ref().map(Hidden::show))).await?;
    let (sealed, now) = (app.keeper.sealed(), app.now());
    let noted = app.change(move |kept| {
        kept.passphrase_changed(sealed, &call.caller, now);
        Ok(())
    });
    // It is changed, whether that can be noted or not; why not is in the log.
    drop(noted.await);
    tracing::info!(sealed, "the passphrase of the identity file was changed");
    told(app).await
}

/// Whether these are the words at those places, whatever their case and the spaces around them.
fn fits(phrase: &Phrase, asks: [u8; ASKED_WORDS], words: &[Hidden]) -> bool {
    let all: Vec<&str> = phrase.words().collect();
    let wanted = asks.map(|place| usize::from(place).checked_sub(1).and_then(|index| all.get(index)));
    words.len() == ASKED_WORDS
        && wanted.iter().zip(words).all(|(wanted, word)| {
            wanted.is_some_and(|wanted| word.show().trim().eq_ignore_ascii_case(wanted))
        })
}

/// The setup as it is told.
async fn told(app: &Arc<App>) -> Result<Response, Problem> {
    let state = app.keeper.setup();
    let setup = dto::Setup {
        finished: state.finished,
        step: state.step,
        did: app.node.account().did().to_string(),
        replaceable: !state.finished && app.node.untouched().await?,
        stayed: state.stayed,
        phrase_kept: app.keeper.phrase().is_some(),
        phrase_confirmed: state.confirmed,
        asks: state.asks.to_vec(),
        sealed: app.keeper.sealed(),
        passphrase_from_file: app.keeper.passphrase_from_file(),
    };
    Ok(answer::json(StatusCode::OK, &setup))
}

fn unfinished(app: &App) -> Result<SetupState, Problem> {
    let state = app.keeper.setup();
    if state.finished { Err(Problem::setup_over()) } else { Ok(state) }
}

/// Lets through who has proved to be the owner, and everybody who got here while the setup is not over.
async fn proved(app: &Arc<App>, from: IpAddr, proof: Proof) -> Result<(), Problem> {
    in_pace(app, from)?;
    if !app.keeper.setup().finished {
        return Ok(());
    }
    let (good, otherwise) = match proof {
        Proof { link: Some(link), .. } => {
            let secret = link.show().trim().rsplit('/').next().unwrap_or_default();
            let now = app.now();
            (app.auth().use_link(secret, now), "this link was used already or is older than 15 minutes")
        }
        Proof { passphrase: Some(passphrase), link: None } if app.keeper.sealed() => {
            let opens = derived(app, move |keeper| keeper.opens(passphrase.show())).await?;
            (opens, "this is not the passphrase")
        }
        Proof { .. } => return Err(Problem::prove_first()),
    };
    if good {
        return Ok(());
    }
    app.refused().await;
    Err(Problem::not_proved(otherwise))
}

fn in_pace(app: &App, from: IpAddr) -> Result<(), Problem> {
    let allowed = app.auth().pace.allows(from, app.now());
    if allowed { Ok(()) } else { Err(Problem::too_many_tries()) }
}

/// The session that asks, to be taken along to the other identity.
fn carried(app: &App, caller: &Caller) -> Option<CarriedSession> {
    let Caller::Browser { session, .. } = caller else { return None };
    let auth = app.auth();
    auth.kept().session(session).map(|row| CarriedSession { token_hash: session.0, label: row.label.clone() })
}

/// What derives a key from a passphrase: one at a time, for the sake of memory.
async fn derived<T: Send + 'static>(
    app: &Arc<App>,
    ask: impl FnOnce(&dyn Keeper) -> Result<T, KeeperError> + Send + 'static,
) -> Result<T, Problem> {
    let _one_at_a_time = app.derivations.acquire().await.map_err(|error| Problem::internal(&error))?;
    kept(app, ask).await
}

/// Asks the keeper, where it may block. Goes on when nobody waits any more.
pub(crate) async fn kept<T: Send + 'static>(
    app: &Arc<App>,
    ask: impl FnOnce(&dyn Keeper) -> Result<T, KeeperError> + Send + 'static,
) -> Result<T, Problem> {
    let keeper = Arc::clone(&app.keeper);
    let asked = tokio::task::spawn_blocking(move || ask(&*keeper)).await;
    asked.map_err(|error| Problem::internal(&error))?.map_err(Problem::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

    fn hidden(words: [&str; 3]) -> Vec<Hidden> {
        serde_json::from_value(serde_json::json!(words)).expect("texts")
    }

    #[test]
    fn three_words_fit_at_their_places_only() {
        let phrase: Phrase = PHRASE.parse().expect("a phrase");
        assert!(fits(&phrase, [2, 6, 12], &hidden(["winner", " Sausage", "YELLOW "])));
        assert!(!fits(&phrase, [2, 6, 12], &hidden(["sausage", "winner", "yellow"])));
        assert!(!fits(&phrase, [2, 6, 12], &hidden(["winner", "sausage", ""])));
        assert!(!fits(&phrase, [2, 6, 12], &[]));
        assert!(!fits(&phrase, [0, 6, 13], &hidden(["", "sausage", ""])));
    }

    #[test]
    fn a_secret_that_came_in_is_not_in_the_debug_output() {
        let taken: dto::SetPassphrase =
            serde_json::from_str(r#"{"passphrase":"correct horse","proof":{"link":"battery"}}"#)
                .expect("a body");
        let shown = format!("{taken:?}");
        assert!(!shown.contains("correct") && !shown.contains("battery"), "{shown}");
    }
}
