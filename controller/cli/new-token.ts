/** What `token create` and `kubeconfig` share: a new token's text, and the document that lets it in. */
import { createHash, randomBytes } from 'node:crypto';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { kindOf, unknownKindMessage } from '../../resources/registry.ts';
import { loginName } from './client.ts';
import {
  type CliContext,
  CliError,
  durationOption,
  flagOption,
  listOption,
  type OptionDefinition,
  type Options,
  textOption,
} from './verb.ts';

const SCOPES = ['read', 'write', 'admin'];

export const TOKEN_OPTIONS: readonly OptionDefinition[] = [
  { flags: '--scope <scope>', description: 'what it may do', choices: SCOPES, default: 'read' },
  { flags: '--kind <kind>', description: 'only for this kind; may be given several times', repeatable: true },
  { flags: '--user <name>', description: 'who acts with it, for the history (default: you)' },
  {
    flags: '--show-secrets',
    description: 'show secret values in every answer, as Kubernetes does; only with --scope admin',
  },
  { flags: '--expires <duration>', description: 'end it by itself, such as 90d' },
];

/** 256 random bits; the letters before it let scanners for leaked secrets find it. */
export function newToken(): { text: string; hash: string } {
  const text = `holdfast_${randomBytes(32).toString('base64url')}`;
  return { text, hash: createHash('sha256').update(text).digest('hex') };
}

export function tokenManifest(context: CliContext, name: string, hash: string, options: Options): Manifest {
  const expires = durationOption(options, 'expires');
  if (expires === 0) throw new CliError('--expires takes a time from now, such as 90d');
  const kinds = listOption(options, 'kind').map((word) => {
    const kind = kindOf(word);
    if (kind === undefined) throw new CliError(unknownKindMessage(word));
    return kind.kind;
  });
  return {
    apiVersion: API_VERSION,
    kind: 'Token',
    metadata: { name },
    spec: {
      user: textOption(options, 'user') ?? loginName(),
      scopes: [textOption(options, 'scope') ?? 'read'],
      ...(kinds.length > 0 && { kinds: [...new Set(kinds)] }),
      ...(flagOption(options, 'showSecrets') && { showSecrets: true }),
      ...(expires !== undefined && { expiresAt: new Date(context.now() + expires).toISOString() }),
      hash,
    },
  };
}
