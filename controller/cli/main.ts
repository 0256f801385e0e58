/**
 * The command line `holdfast`: finds the verb, loads it, reads its arguments and runs it. Started by bin/holdfast; tests call `main`
 * with streams of their own. It holds no verb's logic.
 */
import { Command, CommanderError, Option } from 'commander';
import { ApiError, Client } from './client.ts';
import { visible } from './terminal.ts';
import { type CliContext, CliError, type OptionDefinition, type VerbDefinition } from './verb.ts';
import { loadVerb, VERB_GROUPS, VERBS } from './verbs.ts';

export const DEFAULT_SOCKET = '/run/holdfast/holdfast.sock';

export type Surroundings = Omit<CliContext, 'client' | 'socketPath'>;

/** Runs what the words say and answers the exit code. Errors are printed, not thrown. */
export async function main(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    return await parse(words, surroundings);
  } catch (error) {
    return failed(error, surroundings);
  }
}

async function parse(words: readonly string[], surroundings: Surroundings): Promise<number> {
  let code = 0;
  const program = newProgram(surroundings);
  const asked = await verbsToLoad(words);
  for (const { heading, verbs } of VERB_GROUPS) {
    program.commandsGroup(heading);
    for (const entry of verbs) {
      const loaded = asked.get(entry.name);
      const command = program.command(entry.name, { hidden: entry.hidden === true }).summary(entry.summary);
      if (loaded !== undefined) {
        describe(command, loaded);
        command.action(async () => {
          const definition = entry.ownsSignals === true ? { ...loaded, ownsSignals: true } : loaded;
          code = await run(definition, command, surroundings);
        });
      } else {
        command
          .allowUnknownOption()
          .argument('[words...]')
          .action(() => {
            throw new CliError(`${entry.name} is not part of this installation`);
          });
      }
    }
  }
  if (words.length === 0) {
    program.outputHelp();
    return 0;
  }
  await program.parseAsync([...words], { from: 'user' });
  return code;
}

function newProgram({ stdout, stderr, version }: Surroundings): Command {
  return new Command('holdfast')
    .description('Keeps this server in the state that its YAML says.')
    .version(version, '-V, --version', 'show the version')
    .addOption(socketOption())
    .enablePositionalOptions()
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .commandsGroup('Run Holdfast:')
    .showHelpAfterError('(see holdfast --help)')
    .helpCommand('help [verb]', 'show help for a verb')
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
}

function socketOption(): Option {
  return new Option('--socket <path>', `socket of the controller (HOLDFAST_SOCKET, or ${DEFAULT_SOCKET})`);
}

/** The verb in the words, and the one that help is asked for. */
async function verbsToLoad(words: readonly string[]): Promise<Map<string, VerbDefinition>> {
  const loaded = new Map<string, VerbDefinition>();
  const named = words.filter((word) => VERBS.some((entry) => entry.name === word)).slice(0, 2);
  for (const name of named) {
    const verb = await loadVerb(name);
    if (verb !== undefined) loaded.set(name, verb);
  }
  return loaded;
}

function describe(command: Command, verb: VerbDefinition): void {
  command.summary(verb.summary).description(verb.description ?? sentence(verb.summary));
  for (const { name, description, required, variadic } of verb.arguments ?? []) {
    const word = variadic === true ? `${name}...` : name;
    command.argument(required === true ? `<${word}>` : `[${word}]`, description);
  }
  for (const option of verb.options ?? []) command.addOption(commanderOption(option));
  const hasSocket = command.options.some((option) => option.long === '--socket');
  if (!hasSocket) command.addOption(socketOption().hideHelp());
  if (verb.passThrough === true) command.passThroughOptions();
  if (verb.examples !== undefined)
    command.addHelpText('after', `\nExamples:\n${verb.examples.map((line) => `  ${line}`).join('\n')}`);
}

function commanderOption(definition: OptionDefinition): Option {
  const option = new Option(definition.flags, definition.description);
  if (definition.default !== undefined) option.default(definition.default);
  if (definition.choices !== undefined) option.choices(definition.choices);
  if (definition.repeatable === true)
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  return option;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

async function run(verb: VerbDefinition, command: Command, surroundings: Surroundings): Promise<number> {
  const options = command.optsWithGlobals();
  const own = command.opts()['socket'] ?? options['socket'];
  const fromEnvironment = surroundings.env['HOLDFAST_SOCKET'];
  const socketPath = typeof own === 'string' ? own : fromEnvironment || DEFAULT_SOCKET;
  const context: CliContext = { ...surroundings, socketPath, client: new Client(socketPath) };
  const ended = verb.run(context, command.args, options);
  if (verb.ownsSignals === true) return (await ended) ?? 0;
  ended.catch(() => {}); // After an interrupt nobody waits for it any more.
  const { promise, forget } = interrupted(surroundings.signal);
  try {
    return (await Promise.race([ended, promise])) ?? 0;
  } finally {
    forget();
  }
}

const INTERRUPTED = 130;

function interrupted(signal: AbortSignal): { promise: Promise<number>; forget(): void } {
  let onAbort = () => {};
  const promise = new Promise<number>((resolve) => {
    onAbort = () => resolve(INTERRUPTED);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
  return { promise, forget: () => signal.removeEventListener('abort', onAbort) };
}

function failed(error: unknown, { stderr, env, signal }: Surroundings): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1; // Commander has said what it is.
  if (signal.aborted) return INTERRUPTED;
  if (error instanceof CliError) {
    stderr.write(`error: ${visible(error.message)}\n`);
    if (error instanceof ApiError) for (const line of causeLines(error)) stderr.write(`  ${visible(line)}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? error.message : String(error);
  const trace = error instanceof Error && env['DEBUG'] ? `\n${error.stack}` : '';
  stderr.write(`error: ${visible(text + trace)}\n`);
  return 1;
}

/** Causes that the message does not tell already. */
function causeLines({ causes, message }: ApiError): string[] {
  return causes
    .filter((cause) => !message.includes(cause.message))
    .map((cause) => `${cause.field}: ${cause.message}`);
}
