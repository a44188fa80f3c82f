"""An app that cdk-nag 3 checks by AwsSolutions, with what it finds in the constructs acknowledged.

`pip install cdk-nag`; this library does not need it. cdk-nag wants an acknowledgment for each
wildcard in a policy, so the loop asks cdk-nag for its findings instead of listing them. It runs
before the app adds anything to the constructs: what is added later is still found. Other packs
(HIPAA, NIST 800-53, PCI DSS) find more, which the same loop acknowledges.

checkov finds these, which you can skip by the metadata ``checkov`` of the resource: of functions
CKV_AWS_115 (``max_concurrency`` limits the batches), CKV_AWS_116 (alarms report each failure),
CKV_AWS_117 (they call public endpoints) and CKV_AWS_173 (their settings have no secret); of the
bucket CKV_AWS_18; of log groups CKV_AWS_158, without a key.
"""

from aws_cdk import Acknowledgment, Annotations, App, CfnResource, Duration, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

REASONS = {
    "AwsSolutions-IAM5": "The roles' statements are limited to the construct's own bucket, "
    "functions and state machines, and by conditions where AWS has no resource to name.",
    "AwsSolutions-S1": "CloudTrail's data events show who read a report.",
    "AwsSolutions-SF1": "Step Functions keeps the history; account names stay out of the logs.",
    "AwsSolutions-SF2": "The report has a result for each account, so a trace adds nothing to it.",
}

app = App()
stack = Stack(app, "OrganizationBootstrap")
root_access = CentralizedRootAccess(stack, "RootAccess", delegated_administrators=["222222222222"])
root_access.add_drift_check(repair=True)
root_tasks = RootTasks(stack, "RootTasks", tasks=list(RootTask), audit_interval=Duration.days(1))

checks = AwsSolutionsChecks(app)
for construct in (root_access, root_tasks):
    for resource in filter(CfnResource.is_cfn_resource, construct.node.find_all()):
        for finding in checks.validate_scope(resource).violations:
            reason = REASONS[finding.rule_name.partition("[")[0]]
            acknowledgment = Acknowledgment(id=finding.rule_name, reason=reason)
            Validations.of(resource).acknowledge(acknowledgment)

Annotations.of(stack).acknowledge_warning(
    "centralized-root-access:noAlarmAction", "audit.py shows who hears the alarms."
)
Validations.of(app).add_plugins(checks)
app.synth()
