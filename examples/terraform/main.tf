# Enables centralized root access, with the template of a release. Destroying it disables nothing.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

locals {
  delegates = var.delegated_administrators == null ? ["unmanaged"] : sort(var.delegated_administrators)
}

resource "aws_s3_object" "code" {
  for_each = fileset(var.release, "*.zip")

  bucket = var.bucket
  key    = "${var.prefix}${each.value}"
  source = "${var.release}/${each.value}"

  # A deployment that fails goes back to the code that was there.
  lifecycle { create_before_destroy = true }
}

resource "aws_cloudformation_stack" "root_access" {
  name          = "RootAccess"
  template_body = file("${var.release}/root-access.template.json")
  capabilities  = ["CAPABILITY_IAM"]

  parameters = {
    CodeBucket              = var.bucket
    CodePrefix              = var.prefix
    Features                = length(var.features) == 0 ? "none" : join(",", sort(var.features))
    DelegatedAdministrators = length(local.delegates) == 0 ? "none" : join(",", local.delegates)
    Repair                  = tostring(var.repair)
    NotificationTopicArn    = coalesce(var.notification_topic_arn, "none")
  }

  depends_on = [aws_s3_object.code]
}
