//! `cke`: runs transformer models on the CPU, and measures how well it does so.
//!
//! One module for each subcommand; the others hold what several of them share. Results go to standard output and
//! everything else to standard error.

#![deny(unsafe_code)]

mod allocator;
mod audit;
mod bench;
mod busy;
mod chart;
mod chat;
mod completions;
mod date;
mod deploy;
mod doctor;
mod embed;
mod environment;
mod error;
mod eval;
mod fitted_tables;
mod generate;
mod input;
mod inspect;
mod interrupt;
mod kernel_names;
mod language_model;
mod limits;
mod manual;
mod memory;
mod misuse;
mod model;
mod named_library;
mod npy;
mod numbers;
mod output;
mod output_file;
mod packed_cache;
mod profile;
mod progress;
mod quantize;
mod sampling;
mod signals;
mod speed;
mod status_line;
mod terminal;
mod threads;
mod time_left;
mod workload;

use crate::error::CliError;
use crate::interrupt::Interrupt;
use clap::{Parser, Subcommand};
use std::env;
use std::process::ExitCode;

/// Runs language models (Llama, Qwen, Gemma, Phi, GPT-2 and related models) and BERT on the CPU.
#[derive(Debug, Parser)]
#[command(name = "cke", version, after_help = environment::program_help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(Box<generate::GenerateArgs>),
    Chat(Box<chat::ChatArgs>),
    Embed(embed::EmbedArgs),
    Eval(eval::EvalArgs),
    Inspect(inspect::InspectArgs),
    #[command(visible_alias = "convert")]
    Quantize(quantize::QuantizeArgs),
    Doctor(doctor::DoctorArgs),
    Bench(bench::BenchArgs),
    Profile(profile::ProfileArgs),
    Audit(audit::AuditArgs),
    Deploy(deploy::DeployArgs),
    Chart(chart::ChartArgs),
    Completions(completions::CompletionsArgs),
    Manual(manual::ManualArgs),
}

fn main() -> ExitCode {
    allocator::share_heap_if_limited();
    let Cli { command } = Cli::try_parse().unwrap_or_else(|error| misuse::explained(error, env::args_os()).exit());
    let outcome = Interrupt::install().and_then(|interrupt| run(command, &interrupt));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command, interrupt: &Interrupt) -> Result<(), CliError> {
    match command {
        Command::Generate(args) => generate::run(*args, interrupt),
        Command::Chat(args) => chat::run(*args, interrupt),
        Command::Embed(args) => embed::run(args, interrupt),
        Command::Eval(args) => eval::run(args, interrupt),
        Command::Inspect(args) => inspect::run(args),
        Command::Quantize(args) => quantize::run(args, interrupt),
        Command::Doctor(args) => doctor::run(args),
        Command::Bench(args) => bench::run(args, interrupt),
        Command::Profile(args) => profile::run(args, interrupt),
        Command::Audit(args) => audit::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Chart(args) => chart::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Manual(args) => manual::run(&args),
    }
}
