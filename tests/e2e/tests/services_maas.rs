//! The plugin `maas` in the real engine against a strict simulated MAAS. No real MAAS has been asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod services_rig;

use farrier::fault::Retry;
use farrier::plugin::wit::boot_provisioner::{Architecture, BootProfile, Machine, MachineState};
use farrier::plugin::wit::jobs::JobState;
use farrier::plugin::wit::types::{Completion, Job};
use farrier::plugin::{CallError, Driver, Lend};
use farrier_lab::ledger::Kind;
use farrier_lab::maas::{self, Faults, Key, MaasConfig, MaasHandle, SYSTEM, Status};
use services_rig::{Rig, server};

const MAC: &str = "88:e9:a4:00:00:01";
const CALLBACK: &str = "http://127.0.0.1:8080/cb/9440c9000001-1-abc";

struct Site {
    rig: Rig,
    maas: MaasHandle,
    driver: Driver,
    lend: Lend,
}

impl Site {
    async fn new() -> Option<Self> {
        let rig = Rig::new("maas").await?;
        let maas = maas::start(MaasConfig::default(), rig.ledger.clone()).await.unwrap();
        let config = rig.config(&maas.url(), None, &MaasConfig::default().key.text());
        let (driver, lend) = rig.open(&config, "boot-provisioner");
        Some(Self { rig, maas, driver, lend })
    }

    async fn enroll(&self) -> Result<Completion, CallError> {
        let boot_macs = vec![MAC.to_owned(), "88:e9:a4:00:00:02".to_owned()];
        let machine = Machine { server: server(), architecture: Architecture::X8664, boot_macs };
        self.driver.enroll(&self.lend, &machine).await
    }

    async fn set(&self, profile: BootProfile) -> Result<Completion, CallError> {
        self.driver.set_profile(&self.lend, &server(), &profile).await
    }

    async fn validate(&self) -> Result<Completion, CallError> {
        self.set(BootProfile::Validate(CALLBACK.to_owned())).await
    }

    async fn state(&self) -> MachineState {
        self.driver.get_state(&self.lend, &server()).await.unwrap()
    }

    fn status(&self) -> Status {
        self.maas.machine(MAC).unwrap().status
    }

    fn faults(&self, faults: Faults) {
        self.maas.set_faults(faults);
    }
}

#[tokio::test]
async fn a_validation_is_one_commissioning_that_leaves_the_controller_alone() {
    let Some(site) = Site::new().await else { return };
    assert_eq!(site.state().await, MachineState::Unknown);
    for _ in 0..2 {
        assert_eq!(site.enroll().await.unwrap(), Completion::Done);
    }
    assert_eq!(site.state().await, MachineState::Enrolled);
    for _ in 0..2 {
        assert_eq!(site.validate().await.unwrap(), Completion::Done);
    }
    assert_eq!(site.state().await, MachineState::Booting);
    let machine = site.maas.machine(MAC).unwrap();
    assert_eq!((machine.power_type.as_str(), machine.hostname.as_str()), ("manual", "ams-srv-001"));
    assert_eq!(machine.commissionings, 1);
    assert_eq!(site.maas.network_boot(MAC).as_deref(), Some(CALLBACK));
    assert_eq!(site.state().await, MachineState::Enrolled);
    assert_eq!(site.rig.ledger.report().of(SYSTEM, Kind::Created), 1);
    site.rig.assert_correct();
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_machine_and_no_second_commissioning() {
    let Some(site) = Site::new().await else { return };
    site.faults(Faults { drop_answers: 1, ..Faults::default() });
    let lost = site.enroll().await.unwrap_err();
    assert_eq!((lost.code(), lost.retry()), ("unreachable", Retry::Backoff));
    site.enroll().await.unwrap();
    site.faults(Faults { drop_answers: 1, ..Faults::default() });
    site.validate().await.unwrap_err();
    assert_eq!(site.validate().await.unwrap(), Completion::Done);
    let machines = site.maas.machines();
    assert_eq!((machines.len(), machines[0].commissionings), (1, 1));
    site.rig.assert_correct();
}

#[tokio::test]
async fn busy_and_wrong_states_are_waited_for_and_never_forced() {
    let Some(site) = Site::new().await else { return };
    site.enroll().await.unwrap();
    site.faults(Faults { busy: Some((1, 7)), ..Faults::default() });
    let busy = site.validate().await.unwrap_err();
    assert_eq!((busy.code(), busy.retry()), ("busy", Retry::After(7_000)));
    site.faults(Faults { conflicts: 1, ..Faults::default() });
    let conflict = site.validate().await.unwrap_err();
    assert_eq!((conflict.code(), conflict.retry()), ("conflict", Retry::Backoff));
    assert!(conflict.to_string().contains("'New'"), "{conflict}");
    site.validate().await.unwrap();
    site.maas.network_boot(MAC);
    // Somebody else uses it: nothing is done to it.
    for status in [Status::Deployed, Status::Deploying, Status::Allocated, Status::RescueMode] {
        site.maas.put(MAC, status);
        assert_eq!(site.validate().await.unwrap_err().code(), "conflict", "{status:?}");
        assert_eq!(site.status(), status);
    }
    site.maas.put(MAC, Status::Releasing);
    assert_eq!(site.validate().await.unwrap_err().code(), "busy");
    site.rig.assert_correct();
}

#[tokio::test]
async fn another_callback_stops_the_boot_that_is_under_way() {
    let Some(site) = Site::new().await else { return };
    site.enroll().await.unwrap();
    site.validate().await.unwrap();
    let other = BootProfile::Validate(format!("{CALLBACK}-2"));
    let Completion::Pending(job) = site.set(other.clone()).await.unwrap() else { panic!("not pending") };
    let state = site.driver.poll(&site.lend, &job).await.unwrap();
    assert_eq!(state, JobState::Succeeded("stopped".to_owned()));
    assert_eq!(site.set(other).await.unwrap(), Completion::Done);
    assert_eq!(site.maas.network_boot(MAC), Some(format!("{CALLBACK}-2")));
    site.rig.assert_correct();
}

#[tokio::test]
async fn a_wrong_key_is_tried_once() {
    let Some(rig) = Rig::new("maas").await else { return };
    let maas = maas::start(MaasConfig::default(), rig.ledger.clone()).await.unwrap();
    let config = rig.config(&maas.url(), None, &Key::new("a", "b", "wrong").text());
    let (driver, lend) = rig.open(&config, "boot-provisioner");
    for _ in 0..3 {
        let refused = driver.get_state(&lend, &server()).await.unwrap_err();
        assert_eq!((refused.code(), refused.retry()), ("credentials-refused", Retry::Never));
        assert!(!format!("{refused:?}").contains("wrong"));
    }
    assert_eq!(rig.ledger.report().of(SYSTEM, Kind::LoginRefused), 1);
}

async fn job(site: &Site, completion: Completion) -> (Job, JobState) {
    let Completion::Pending(job) = completion else { panic!("not pending: {completion:?}") };
    let state = site.driver.poll(&site.lend, &job).await.unwrap();
    (job, state)
}

#[tokio::test]
async fn an_installation_then_an_erasure_then_release() {
    let Some(site) = Site::new().await else { return };
    site.enroll().await.unwrap();
    site.validate().await.unwrap();
    site.maas.network_boot(MAC);
    let image = || BootProfile::Install("ubuntu/jammy".to_owned());
    let (deploy, state) = job(&site, site.set(image()).await.unwrap()).await;
    assert!(matches!(state, JobState::Running(_)), "{state:?}");
    assert_eq!(site.state().await, MachineState::Deploying);
    // Asked for again after a crash, it is the same installation.
    let (again, _) = job(&site, site.set(image()).await.unwrap()).await;
    assert_eq!(again.id, deploy.id);
    site.maas.network_boot(MAC);
    assert_eq!(site.driver.poll(&site.lend, &deploy).await.unwrap(), JobState::Succeeded("installed".to_owned()));
    assert_eq!(site.set(image()).await.unwrap(), Completion::Done);
    let (erase, state) = job(&site, site.set(BootProfile::Erase).await.unwrap()).await;
    assert!(matches!(state, JobState::Running(_)));
    assert_eq!(site.status(), Status::DiskErasing);
    site.maas.network_boot(MAC);
    let state = site.driver.poll(&site.lend, &erase).await.unwrap();
    assert_eq!(state, JobState::Succeeded("released and erased".to_owned()));
    assert_eq!(site.set(BootProfile::Erase).await.unwrap(), Completion::Done);
    assert_eq!(site.maas.machine(MAC).unwrap().erasures, 1, "erased once");
    for _ in 0..2 {
        assert_eq!(site.driver.release(&site.lend, &server()).await.unwrap(), Completion::Done);
    }
    assert!(site.maas.machines().is_empty());
    site.rig.assert_correct();
}

#[tokio::test]
async fn an_erasure_that_fails_is_a_failed_job_and_the_machine_is_not_forgotten() {
    let Some(site) = Site::new().await else { return };
    site.enroll().await.unwrap();
    site.validate().await.unwrap();
    site.maas.network_boot(MAC);
    let (erase, _) = job(&site, site.set(BootProfile::Erase).await.unwrap()).await;
    site.faults(Faults { erase_fails: true, ..Faults::default() });
    site.maas.network_boot(MAC);
    let state = site.driver.poll(&site.lend, &erase).await.unwrap();
    assert!(matches!(state, JobState::Failed(_)), "{state:?}");
    assert_eq!(site.state().await, MachineState::Failed);
    assert_eq!(site.driver.release(&site.lend, &server()).await.unwrap_err().code(), "conflict");
    assert_eq!(site.maas.machines().len(), 1);
    site.rig.assert_correct();
}
