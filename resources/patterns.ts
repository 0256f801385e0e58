/** What the patterns of the schemas mean, in words. A test fails when a schema has a pattern that is not here. */

const LETTERS = 'lower-case letters, digits and dashes, beginning and ending with a letter or digit';

export const PATTERN_WORDS: Record<string, string> = {
  '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$': `must be ${LETTERS}, at most 63 of them`,
  '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$':
    'must be letters, digits, dashes, dots and underscores, with a domain and / in front where wanted',
  '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$':
    'must be letters, digits, dashes, dots and underscores, beginning and ending with a letter or digit',
  '^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)+$': 'must be in reverse domain style, such as org.example.wiki',
  '^[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.-]+)?([+][0-9A-Za-z.-]+)?$': 'must be a version such as 1.4.2',
  '^[a-zA-Z0-9_]+$': 'must be letters, digits and underscores',
  '^[a-zA-Z_][a-zA-Z0-9_]*$': 'must be letters, digits and underscores, not beginning with a digit',
  '^[0-9]+([.][0-9]+)? ?([kKmMgGtT][bB])?$': 'must be bytes, or a number with KB, MB, GB or TB',
  '^[^\\s]+$': 'must not contain spaces',
  '^/': 'must begin with /',
  '^/[^:]*$': 'must be an absolute path without a colon',
  '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*)?$': `must be empty, or ${LETTERS}; dots between parts`,
  '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$': `must be a domain: ${LETTERS}; dots between parts`,
  '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$': `must be a host name: ${LETTERS}; dots between parts`,
  '^[0-9]+([.][0-9]+)?(Ki|Mi|Gi|Ti|k|K|M|G|T)?$':
    'must be bytes, or a number with Ki, Mi, Gi, Ti, k, M, G or T, such as 512Mi',
  '^([0-9]+([.][0-9]+)?%|[0-9]+([.][0-9]+)?(Ki|Mi|Gi|Ti|k|K|M|G|T)?)$':
    'must be a share such as 10%, or an amount such as 20Gi',
  '^[A-Za-z0-9_][-A-Za-z0-9_.@+]{0,63}$': 'must be a login name: letters, digits and _ . @ + -, at most 64',
  '^[A-Z][A-Za-z]{0,62}$': 'must be the name of a kind, such as App',
  '^([0-9]{1,4}h)?([0-9]{1,4}m)?$': 'must be hours and minutes, such as 2h, 90m or 1h30m',
  '^[A-Z][A-Za-z0-9]{1,62}$': 'must be the type of a step, such as PullImage',
  '^([*]|[A-Z][A-Za-z0-9]{0,62})$': 'must be the name of a kind, such as App, or *',
  '^[0-9a-f]{64}$': 'must be a SHA-256 in 64 hexadecimal digits',
  '^[0-9]+([.][0-9]+){0,2}$': 'must be a version such as 16 or 10.11',
  '^[a-zA-Z_][-a-zA-Z0-9_.]*$':
    'must be letters, digits, dashes, dots and underscores, beginning with a letter',
  '^[^\\n\\r]*$': 'must be one line',
  '^(https?://[^\\s]+|dns:[^\\s@]+@[^\\s@]+)$':
    'must be a URL such as https://ip.example.net, or dns:NAME@SERVER',
  '^([0-9.]+(:[0-9]{1,5})?|[0-9a-fA-F:.]+|\\[[0-9a-fA-F:.]+\\](:[0-9]{1,5})?)$':
    'must be an IP address such as 192.0.2.53, with :port where it is not 53',
  '^([*][.])?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?([.][a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$':
    'must be a name in DNS: lower-case letters, digits, dashes and underscores, with dots between parts, * as its first part at most',
  '^(DENY|SAMEORIGIN|ALLOW-FROM https?://[A-Za-z0-9.:*-]+)$':
    'must be DENY, SAMEORIGIN, or ALLOW-FROM and an origin such as https://portal.example.com',
  '^/[-A-Za-z0-9_.~/%@:+]*$': 'must be a path such as /login, without spaces, quotes, ? and #',
  '^[-._a-zA-Z0-9]+$': 'must be letters, digits, dashes, dots and underscores',
};
