/**
 * What nginx refused is kept beside what it serves, as `refused/wiki.conf`: the words, then the text. So a refusal is found by
 * looking, also after a restart, and the same text is not tried again until it, or nginx, is another. Whoever deletes the file
 * has it tried again. Pure.
 */

export interface Refusal {
  /** nginx's own words. */
  message: string;
  version: string;
  text: string;
}

export function refusalPath(site: string): string {
  return `refused/${site}.conf`;
}

export function writeRefusal({ version, message, text }: Refusal): string {
  return `# nginx ${version} refuses this: ${message.replaceAll(/\s+/g, ' ')}\n${text}`;
}

export function readRefusal(file: string | undefined): Refusal | undefined {
  const match = /^# nginx (\S+) refuses this: (.*)\n([\s\S]*)$/.exec(file ?? '');
  const [, version, message, text] = match ?? [];
  return version === undefined || message === undefined || text === undefined
    ? undefined
    : { version, message, text };
}
