/**
 * The verbs there are, each with the file that it is in. Only the one that was asked for is loaded, so that `holdfast get` starts
 * fast. Called by main.ts and by completion.
 */
import type { VerbDefinition } from './verb.ts';

export interface VerbEntry {
  name: string;
  summary: string;
  hidden?: boolean;
  ownsSignals?: boolean;
}

export interface VerbGroup {
  heading: string;
  verbs: readonly VerbEntry[];
}

export const VERB_GROUPS: readonly VerbGroup[] = [
  {
    heading: 'Say what should be:',
    verbs: [
      { name: 'apply', summary: 'create and change documents as manifests say' },
      { name: 'delete', summary: 'delete documents and tear down what they stand for' },
      { name: 'edit', summary: 'change a document in an editor' },
      { name: 'rollback', summary: 'bring back the spec of an earlier generation' },
      { name: 'stop', summary: 'stop Apps' },
      { name: 'start', summary: 'start Apps that were stopped' },
      { name: 'restart', summary: 'restart Apps and Addons' },
      { name: 'rotate', summary: 'give accounts in Addons new passwords' },
      { name: 'suspend', summary: 'look at documents, but change nothing for them' },
      { name: 'resume', summary: 'change things again for suspended documents' },
      { name: 'approve', summary: 'let go now what waits for a maintenance window' },
      { name: 'cancel', summary: 'end what is being done for documents' },
      { name: 'retry', summary: 'try again at once what failed, hangs, loops or was cancelled' },
    ],
  },
  {
    heading: 'See what is:',
    verbs: [
      { name: 'get', summary: 'show documents' },
      { name: 'describe', summary: 'show everything about a document, for a person' },
      {
        name: 'why',
        summary: 'explain the state of a document, and what was done to it for which reason',
      },
      { name: 'tree', summary: 'show a document with all that it owns' },
      { name: 'events', summary: 'show what happened' },
      { name: 'logs', summary: 'show what an App wrote' },
      { name: 'exec', summary: 'run a command in an App' },
      { name: 'wait', summary: 'wait until documents are Ready, deleted, or have a value' },
      { name: 'history', summary: 'show who changed a document, when and why' },
      { name: 'export', summary: 'write out all that people wrote, as manifests' },
    ],
  },
  {
    heading: 'Know beforehand:',
    verbs: [
      { name: 'plan', summary: 'show what would be done, and do nothing' },
      { name: 'diff', summary: 'show how documents would change, field by field' },
      { name: 'validate', summary: 'check manifests without a controller' },
      { name: 'explain', summary: 'explain a kind and its fields' },
      { name: 'api-resources', summary: 'show the kinds that there are' },
    ],
  },
  {
    heading: 'Run Holdfast:',
    verbs: [
      { name: 'up', summary: 'start Holdfast on this machine so that it stays', ownsSignals: true },
      { name: 'upgrade', summary: 'put this version of Holdfast in the place of the one that runs' },
      { name: 'down', summary: 'stop the controller, nginx and all Apps, and leave their data' },
      { name: 'purge', summary: 'remove what is of Holdfast, data too, after asking' },
      { name: 'serve', summary: 'run the controller', ownsSignals: true },
      { name: 'images', summary: 'make images of databases on this machine, without a registry' },
      { name: 'doctor', summary: 'check that everything Holdfast needs is well' },
      { name: 'token', summary: 'make a token for the API over HTTPS, or take it away' },
      { name: 'kubeconfig', summary: 'write a kubeconfig for kubectl, with a token of its own' },
      { name: 'version', summary: 'show the versions of this program and of the controller' },
      { name: 'completion', summary: 'write a completion script for bash, zsh or fish' },
      { name: '__complete', summary: 'candidates for completion scripts', hidden: true },
    ],
  },
];

export const VERBS: readonly VerbEntry[] = VERB_GROUPS.flatMap((group) => group.verbs);

/** Files that are not called like their verb. */
const FILES: Record<string, string> = { __complete: 'complete' };

/** undefined where this installation has no file for the verb. */
export async function loadVerb(name: string): Promise<VerbDefinition | undefined> {
  const file = FILES[name] ?? name;
  try {
    const module: { command?: VerbDefinition } = await import(`./${file}.ts`);
    return module.command;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && new RegExp(`/cli/${file}[.](ts|js)'`).test(message);
    if (isMissing) return undefined;
    throw error;
  }
}
