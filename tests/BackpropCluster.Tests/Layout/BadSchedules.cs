using BackpropCluster.Tests.Reliability;

namespace BackpropCluster.Tests.Layout;

/// <summary>Schedule files that must be refused, each with the rank it is refused at and what is said.</summary>
internal static class BadSchedules
{
    private const int Refused = 5;
    private const int NoFile = 6;

    /// <summary>Files whose text is none.</summary>
    public static TheoryData<string, int?, int?, string> Unreadable() =>
        new()
        {
            { "", null, null, "the file is empty" },
            { "0F0,0B0\n\n1F0,1B0\n", 1, null, "the row has no action" },
            { "0F0,0B0\n, ,\n", 1, null, "the row has no action" },
            { "0F0x,0B0\n", 0, 0, "got '0F0x': expected a microbatch" },
            { "0F0,0B\n", 0, 1, "got '0B': expected a microbatch" },
            { "0F0,0\n", 0, 1, "got '0': expected a stage, one of F, I, W, B" },
            { "F0,0B0\n", 0, 0, "got 'F0': expected a stage from 0" },
            { "0F0,0BW0\n", 0, 1, "got '0BW0': is the older spelling of full backward. Write B for it, and I for B" },
            { "0F0,0B0,0W0\n", 0, 2, "its stage and microbatch also have 0B0" },
            { "0f0,0B0\n", 0, 0, "got '0f0': expected a stage, one of" },
            { "0F00,0B0\n", 0, 0, "without leading zeros" },
            { "00F0,0B0\n", 0, 0, "without leading zeros" },
            { "-1F0,0B0\n", 0, 0, "got '-1F0'" },
            { "0F0,0B0\n1F9999999,1B0\n", 1, 0, "expected a microbatch from 0 to 999999" },
            { "0F٣,0B0\n", 0, 0, "got '0F٣'" },
            { "0F0 0B0\n", 0, 0, "got '0F0 0B0'" },
            { "\"0F0\",0B0\n", 0, 0, "got '\"0F0\"'" },
            { "\uFEFF0F0,0B0\n", 0, 0, "got '�0F0'" },
            { "0F0;0B0\n", 0, 0, "got '0F0;0B0'" },
            { "0F0,(0F1;0B0)\n", 0, 1, "expected (action;action)OVERLAP_F_B" },
            { "0F0,(0F1;0B0OVERLAP_F_B\n", 0, 1, "expected (action;action)OVERLAP_F_B" },
            { "0F0,(0F1)OVERLAP_F_B,0B0\n", 0, 1, "expected at least two of F, I, W, B" },
            { "0F0,(0F1;0SEND_F1)OVERLAP_F_B,0B0\n", 0, 1, "expected at least two of F, I, W, B" },
            { "0F0,(0F1;)OVERLAP_F_B,0B0\n", 0, 1, "got '(0F1;)OVERLAP_F_B'" },
            { "0F0,0B0,0REDUCE_GRAD0\n", 0, 2, "REDUCE_GRAD concerns the whole stage: expected no microbatch" },
            { "0F0,0RECV_X0,0B0\n", 0, 1, "got '0RECV_X0'" },
            { "0F0,0SEND_F0,,0B0\n", 0, 2, "an idle cell in a file with communication" },
            { "\u001b[31m0F0,0B0\n", 0, 0, "got '�[31m0F0'" },
        };

    /// <summary>Files that hold actions, but not those of a step.</summary>
    public static TheoryData<string, int?, int?, string> Invalid() =>
        new()
        {
            { "0F0,0F1,0B0\n1F0,1F1,1B0,1B1\n", 0, null, "0B1 is missing, and so are 0I1 and 0W1" },
            { "0F0,0F1,0B0,0B1\n1F0,1B0,1B1\n", 1, 2, "1B1 has no 1F1 before it" },
            { "0F0,0F0,0B0\n1F0,1B0\n", 0, 1, "0F0 is there twice" },
            { "0F0,0B0,0B0\n1F0,1B0\n", 0, 2, "0B0 is there twice" },
            { "0F0,0I0\n1F0,1B0\n", 0, null, "0W0 is missing, expected W after 0I0" },
            { "0F0,0W0,0I0\n1F0,1B0\n", 0, 1, "0W0 has no 0I0 before it" },
            { "0F0,0B0,0I0\n1F0,1B0\n", 0, 2, "0I0 comes after 0B0, expected either B or I and W" },
            { "0B0,0F0\n1F0,1B0\n", 0, 0, "0B0 has no 0F0 before it" },
            { "0F0,0B0\n1F0,1B0,1F1\n", 1, 2, "1F1 is out of range, expected microbatches 0 to 0" },
            { "0F0,0B0\n2F0,2B0\n", 1, 0, "there is a stage 2 but no stage 1" },
            { "1F0,1B0\n", 0, 0, "there is a stage 1 but no stage 0" },
            { "0F0,1F0,1B0,0B0\n1F1,1B1\n", 1, 0, "stage 1 is on rank 0, expected each stage on one rank" },
            { "0F0\n1F0\n", 0, null, "0B0 is missing" },
            { "0F0,0B0\n0UNSHARD,0RESHARD\n", 1, null, "the rank computes nothing" },
            { "0F999999,0B999999\n", 0, null, "0F0 is missing" },
            {
                GoldenTables.Csv(GoldenTables.WrongOneForwardOneBackward),
                3,
                4,
                "3B0 has no 3F0 before it, expected the forward first"
            },
        };

    /// <summary>The same as files at the command, and some that no text can show.</summary>
    public static IEnumerable<BadFile> Files() =>
        [
            .. Unreadable()
                .Concat(Invalid())
                .Select(row => row.Data)
                .Select(row => Checked(row.Item1, Refused, row.Item4, path => File.WriteAllText(path, row.Item1))),
            Checked("a gigabyte", NoFile, "expected at most", path => Sparse(path, 1 << 30)),
            Checked("a folder", NoFile, "cannot be read", path => Directory.CreateDirectory(path)),
            Checked("nothing of that name", NoFile, "cannot be read", _ => { }),
            Checked(
                "commas",
                Refused,
                "more than 4000000 cells",
                path => File.WriteAllText(path, "0F0" + new string(',', 4_000_000))
            ),
        ];

    private static void Sparse(string path, long bytes)
    {
        using var file = File.Create(path);
        file.SetLength(bytes);
    }

    private static BadFile Checked(string name, int exitCode, string says, Action<string> write) =>
        new(
            $"schedule: {name}",
            exitCode,
            [says],
            folder =>
            {
                var path = Path.Combine(folder, "s.csv");
                write(path);
                return ["schedule", "check", path];
            }
        );
}
