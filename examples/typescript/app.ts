// Root access in an app in TypeScript: a plain template of a release, and the functions' code as assets.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { App, Stack } from "aws-cdk-lib";
import { CfnFunction } from "aws-cdk-lib/aws-lambda";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Topic } from "aws-cdk-lib/aws-sns";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";

// The folder that has the templates and zip files.
const release = process.env.RELEASE ?? "release";
const templateFile = join(release, "root-access.template.json");

const app = new App();
const stack = new Stack(app, "OrganizationBootstrap", {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const topic = new Topic(stack, "SecurityNews");
const rootAccess = new CfnInclude(stack, "RootAccess", {
  templateFile,
  // The code comes from the assets' bucket.
  parameters: { CodeBucket: "", CodePrefix: "", NotificationTopicArn: topic.topicArn },
});

for (const [id, resource] of Object.entries<any>(JSON.parse(readFileSync(templateFile, "utf8")).Resources)) {
  if (resource.Type === "AWS::Lambda::Function") {
    const [, file] = resource.Properties.Code.S3Key["Fn::Join"][1];
    const code = new Asset(stack, `${id}Code`, { path: join(release, file) });
    const lambdaFunction = rootAccess.getResource(id) as CfnFunction;
    lambdaFunction.code = { s3Bucket: code.s3BucketName, s3Key: code.s3ObjectKey };
  }
}

app.synth();
