/** `holdfast token`: makes ways in to the API over HTTPS and takes them away. A token's text is shown once and kept nowhere. */
import { newToken, TOKEN_OPTIONS, tokenManifest } from './new-token.ts';
import { CliError, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'token',
  summary: 'make a token for the API over HTTPS, or take it away',
  description: `create shows the text of a new token on stdout, once: only its hash is kept. revoke ends it at once, with
every connection that it opened. \`holdfast get tokens\` lists them.`,
  arguments: [
    { name: 'action', description: 'create or revoke', required: true },
    { name: 'name', description: 'of the token', required: true },
  ],
  options: TOKEN_OPTIONS,
  examples: [
    'holdfast token create check --scope read --kind app --expires 90d',
    'holdfast token revoke check',
  ],
  async run(context, [action, name = ''], options) {
    if (action === 'revoke') {
      await context.client.delete({ kind: 'Token', name });
      context.stderr.write(`token/${name} is revoked\n`);
      return 0;
    }
    if (action !== 'create') throw new CliError(`token can create or revoke, not "${action}"`);
    const { text, hash } = newToken();
    await context.client.create(tokenManifest(context, name, hash, options));
    context.stderr.write(`token/${name} is made; this is the only time that it is shown:\n`);
    context.stdout.write(`${text}\n`);
    return 0;
  },
};
