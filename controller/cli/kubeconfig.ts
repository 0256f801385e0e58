/**
 * `holdfast kubeconfig`: a file with which kubectl and every other Kubernetes client talk to this server, with a token of its own.
 * It opens no port by itself: only --enable lets the API listen.
 */
import { isIP } from 'node:net';
import { stringify } from 'yaml';
import type { HttpsState } from './client.ts';
import { newToken, TOKEN_OPTIONS, tokenManifest } from './new-token.ts';
import {
  type CliContext,
  CliError,
  flagOption,
  type Options,
  textOption,
  type VerbDefinition,
} from './verb.ts';

const ENABLE = 'let the API listen for HTTPS on 127.0.0.1:6443 where it does not listen yet';
/** How long the listener may take to open, in milliseconds. */
const PATIENCE = 10_000;

export const command: VerbDefinition = {
  name: 'kubeconfig',
  summary: 'write a kubeconfig for kubectl, with a token of its own',
  description:
    'Makes a token and writes a kubeconfig with it on stdout. Who has the file has what the token may do: keep it closed to others.',
  options: [
    ...TOKEN_OPTIONS.map((option) =>
      option.flags.startsWith('--scope') ? { ...option, default: 'write' } : option,
    ),
    { flags: '--token-name <name>', description: 'of the token that is made', default: 'kubectl' },
    {
      flags: '--replace',
      description: 'make the token anew where there is one of that name; the old one ends',
    },
    {
      flags: '--server <url>',
      description: 'how clients reach the API (default: the address that it listens on)',
    },
    { flags: '--enable', description: ENABLE },
  ],
  examples: ['holdfast kubeconfig --enable >~/.kube/config', 'kubectl get apps'],
  async run(context, _args, options) {
    const state = await listening(context, flagOption(options, 'enable'));
    const server = serverUrl(textOption(options, 'server'), state);
    const name = textOption(options, 'tokenName') ?? 'kubectl';
    const token = await makeToken(context, name, options);
    context.stdout.write(kubeconfig({ server, ca: state.ca, name, token }));
    context.stderr.write(`token/${name} is made for ${server}; \`holdfast token revoke ${name}\` ends it\n`);
    return 0;
  },
};

async function listening(context: CliContext, enable: boolean): Promise<HttpsState> {
  const { client } = context;
  let state = await client.https();
  if (!state.wanted) {
    if (!enable) {
      throw new CliError(
        'the API listens on its socket alone, and kubectl needs HTTPS. Say --enable to open 127.0.0.1:6443, or set spec.api of platform/platform (holdfast edit platform)',
      );
    }
    const patch = { spec: { api: {} } };
    await client.mergePatch({ kind: 'Platform', name: 'platform' }, patch, { reason: 'kubeconfig --enable' });
  }
  const deadline = context.now() + PATIENCE;
  while (state.listening.length === 0 && context.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    state = await client.https();
    if (state.problem !== undefined) break;
  }
  if (state.listening.length > 0) return state;
  throw new CliError(
    `the API does not listen for HTTPS: ${state.problem ?? 'see the log of the controller'}`,
  );
}

function serverUrl(asked: string | undefined, state: HttpsState): string {
  if (asked !== undefined) {
    if (!/^https:\/\/[^/]+/.test(asked))
      throw new CliError(`--server takes an address such as https://host:6443, not "${asked}"`);
    return asked;
  }
  const { address, port } = state.listening[0] ?? { address: '127.0.0.1', port: 6443 };
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

async function makeToken(context: CliContext, name: string, options: Options): Promise<string> {
  const { text, hash } = newToken();
  const manifest = tokenManifest(context, name, hash, options);
  if (flagOption(options, 'replace')) {
    const [present] = (await context.client.list('Token')).items.filter(
      (entry) => entry.metadata.name === name,
    );
    if (present) {
      await context.client.replace(manifest);
      return text;
    }
  }
  try {
    await context.client.create(manifest);
  } catch (error) {
    if ((error as { reason?: string }).reason !== 'AlreadyExists') throw error;
    throw new CliError(
      `token/${name} is there already and its text is kept nowhere: take another --token-name, or --replace to end it and make it anew`,
      { cause: error },
    );
  }
  return text;
}

function kubeconfig(options: { server: string; ca: string; name: string; token: string }): string {
  const { server, ca, name, token } = options;
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'holdfast', cluster }],
      users: [{ name, user: { token } }],
      contexts: [{ name: 'holdfast', context: { cluster: 'holdfast', user: name } }],
      'current-context': 'holdfast',
    },
    { lineWidth: 0 },
  );
}
