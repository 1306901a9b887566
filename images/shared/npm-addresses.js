// Writes into package-lock.json the address of each package at the registry npm is set to use.
// The lock files leave the addresses out, since every network has its own registry; npm would then
// ask for each package's whole list of versions first, a third more work.
const { execFileSync } = require('node:child_process')
const { readFileSync, writeFileSync } = require('node:fs')

const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
for (const [path, entry] of Object.entries(lock.packages)) {
  if (!entry.integrity) continue
  // An alias is installed under a name that is not the package's own.
  const name = entry.name ?? path.split('node_modules/').pop()
  const file = `${name.split('/').pop()}-${entry.version}.tgz`
  entry.resolved = `${registry.replace(/\/$/, '')}/${name}/-/${file}`
}
writeFileSync('package-lock.json', JSON.stringify(lock))
