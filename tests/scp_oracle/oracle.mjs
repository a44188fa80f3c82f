// Reads questions as lines of JSON and writes the answers of iam-simulate, one line for a question: for every request
// "Allowed", "ExplicitlyDenied" or "ImplicitlyDenied", or "Error: ..." if it cannot evaluate.
import { createInterface } from 'node:readline'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const ALLOW_ALL = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }
const ALLOW_ALL_RESOURCES = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }],
}

function levels(documents) {
  return documents.map((level, index) => ({
    orgIdentifier: `level-${index}`,
    policies: level.map((policy, number) => ({ name: `p-${index}-${number}`, policy })),
  }))
}

async function answer(question, request) {
  const simulation = {
    request: {
      principal: `arn:aws:iam::${question.account}:root`,
      action: question.action,
      resource: { resource: request.resource, accountId: question.account },
      contextVariables: request.context,
    },
    identityPolicies: [{ name: 'root', policy: ALLOW_ALL }],
    serviceControlPolicies: levels(question.serviceControl),
    resourceControlPolicies: levels(question.resourceControl),
  }
  // runSimulation knows which calls act on "*", and adds RCPFullAWSAccess. But it refuses the ARN of a root user.
  if (request.resource !== '*') {
    for (const level of simulation.resourceControlPolicies) {
      level.policies.unshift({ name: 'p-RCPFullAWSAccess', policy: ALLOW_ALL_RESOURCES })
    }
    return await runUnsafeSimulation(simulation, {})
  }
  const result = await runSimulation(simulation, {})
  return result.resultType === 'error' || result.errors
    ? `Error: ${JSON.stringify(result.errors)}`
    : result.overallResult
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  const answers = []
  for (const request of question.requests) {
    try {
      answers.push(await answer(question, request))
    } catch (error) {
      answers.push(`Error: ${error.message}`)
    }
  }
  process.stdout.write(`${JSON.stringify(answers)}\n`)
}
