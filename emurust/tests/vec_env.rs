//! Batches: interruption.

use std::thread::sleep;
use std::time::Duration;

use emurust::gameboy::GRAY_BYTES;
use emurust::vec_env::VecEnv;

#[test]
fn the_first_yes_ends_a_step_and_is_the_last_question() {
    const ENVS: usize = 4;
    for threads in [1, 2, ENVS] {
        let mut games = VecEnv::new(&[0; 0x8000], ENVS, true, threads).unwrap();
        let (mut obs, mut dones) = (vec![0; ENVS * GRAY_BYTES], [false; ENVS]);
        let before = games.gameboy(0).export();
        let mut questions = 0;
        let interrupted = || {
            questions += 1;
            sleep(Duration::from_millis(100)); // time enough to be asked again
            true
        };
        let frames = (1 << 40, 0);
        let complete = games.step(&[0; ENVS], frames, &mut obs, &mut dones, interrupted);
        assert_eq!((complete, questions), (Ok(false), 1));
        assert_eq!(games.gameboy(0).export(), before);
    }
}
