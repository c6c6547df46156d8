using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Generators;

namespace BackpropCluster.Tests.Layout;

/// <summary>Schedules as PyTorch lists them: torch/distributed/pipelining/schedules.py, rules as of 00722e64. An idle
/// cell is a dot.</summary>
internal static class GoldenTables
{
    public const string OneForwardOneBackward = """
        0F0 0F1 0F2 0F3 0B0 0F4 0B1 0F5 0B2 0F6 0B3 0F7 0B4 0B5 0B6 0B7
        1F0 1F1 1F2 1B0 1F3 1B1 1F4 1B2 1F5 1B3 1F6 1B4 1F7 1B5 1B6 1B7
        2F0 2F1 2B0 2F2 2B1 2F3 2B2 2F4 2B3 2F5 2B4 2F6 2B5 2F7 2B6 2B7
        3F0 3B0 3F1 3B1 3F2 3B2 3F3 3B3 3F4 3B4 3F5 3B5 3F6 3B6 3F7 3B7
        """;

    /// <summary>1F1B as PyTorch's listing has it since PR 155935: the last rank lacks 3F0 and has a 3F8.</summary>
    public const string WrongOneForwardOneBackward = """
        0F0 0F1 0F2 . . . . . . 0F3 0B0 0F4 0B1 0F5 0B2 0F6 0B3 0F7 0B4 . 0B5 . 0B6 . 0B7
        . 1F0 1F1 . . . . 1F2 1B0 1F3 1B1 1F4 1B2 1F5 1B3 1F6 1B4 1F7 1B5 . 1B6 . 1B7
        . . 2F0 . . 2F1 2B0 2F2 2B1 2F3 2B2 2F4 2B3 2F5 2B4 2F6 2B5 2F7 2B6 . 2B7
        . . . 3F1 3B0 3F2 3B1 3F3 3B2 3F4 3B3 3F5 3B4 3F6 3B5 3F7 3B6 3F8 3B7
        """;

    /// <summary>Interleaved1F1B, p = 2, v = 2, m = 2, as pytorch#172668 shows it.</summary>
    public const string LoweredInterleaved = """
        0UNSHARD 2UNSHARD 0F0 0SEND_F0 2RECV_F0 0F1 0SEND_F1 2RECV_F1 2F0 2SEND_F0 2F1 2SEND_F1 2RECV_B0 2B0 2SEND_B0 2RECV_B1 2B1 2SEND_B1 2REDUCE_GRAD 2RESHARD 0RECV_B0 0B0 0RECV_B1 0B1 0REDUCE_GRAD 0RESHARD
        1UNSHARD 3UNSHARD 1RECV_F0 1F0 1SEND_F0 1RECV_F1 1F1 1SEND_F1 3RECV_F0 3F0 3RECV_F1 3B0 3SEND_B0 1RECV_B0 3F1 3B1 3SEND_B1 1RECV_B1 3REDUCE_GRAD 3RESHARD 1B0 1SEND_B0 1B1 1SEND_B1 1REDUCE_GRAD 1RESHARD
        """;

    /// <summary>Name, shape, table.</summary>
    public static TheoryData<string, ScheduleShape, string> All() =>
        new()
        {
            {
                "gpipe",
                new(4, 1, 4),
                """
                    0F0 0F1 0F2 0F3 . . . . . . . . . 0B0 0B1 0B2 0B3
                    . 1F0 1F1 1F2 1F3 . . . . . . 1B0 1B1 1B2 1B3
                    . . 2F0 2F1 2F2 2F3 . . . 2B0 2B1 2B2 2B3
                    . . . 3F0 3F1 3F2 3F3 3B0 3B1 3B2 3B3
                    """
            },
            { "1f1b", new(4, 1, 8), OneForwardOneBackward },
            {
                "interleaved_1f1b",
                new(2, 2, 4),
                """
                    0F0 0F1 2F0 2F1 . . 0F2 2B0 0F3 2B1 2F2 0B0 2F3 0B1 . 2B2 . 2B3 . 0B2 . 0B3
                    . 1F0 1F1 . 3F0 3B0 3F1 3B1 1F2 1B0 1F3 1B1 3F2 3B2 3F3 3B3 . 1B2 . 1B3
                    """
            },
            {
                "looped_bfs",
                new(2, 2, 4),
                """
                    0F0 0F1 0F2 0F3 2F0 2F1 2F2 2F3 . . 2B3 2B2 2B1 2B0 0B3 0B2 0B1 0B0
                    . 1F0 1F1 1F2 1F3 3F0 3F1 3F2 3F3 3B3 3B2 3B1 3B0 1B3 1B2 1B1 1B0
                    """
            },
            {
                "zb1p",
                new(2, 2, 4),
                """
                    0F0 0F1 2F0 . 2F1 2I0 2W0 0F2 2I1 2W1 0F3 0I0 0W0 2F2 0I1 0W1 2F3 2I2 2W2 2I3 2W3 0I2 0W2 0I3 0W3
                    . 1F0 1F1 3F0 3I0 3F1 3I1 3W0 1F2 1I0 3W1 1F3 1I1 1W0 3F2 3I2 1W1 3F3 3I3 3W2 1I2 3W3 1I3 1W2 1W3
                    """
            },
            {
                "zb1p",
                new(4, 1, 8),
                """
                    0F0 0F1 0F2 . . . 0F3 0I0 0W0 0F4 0I1 0W1 0F5 0I2 0W2 0F6 0I3 0W3 0F7 0I4 0W4 0I5 0W5 0I6 0W6 0I7 0W7
                    . 1F0 1F1 . . 1F2 1I0 1F3 1I1 1W0 1F4 1I2 1W1 1F5 1I3 1W2 1F6 1I4 1W3 1F7 1I5 1W4 1I6 1W5 1I7 1W6 1W7
                    . . 2F0 . 2F1 2I0 2F2 2I1 2F3 2I2 2W0 2F4 2I3 2W1 2F5 2I4 2W2 2F6 2I5 2W3 2F7 2I6 2W4 2I7 2W5 2W6 2W7
                    . . . 3F0 3I0 3F1 3I1 3F2 3I2 3F3 3I3 3W0 3F4 3I4 3W1 3F5 3I5 3W2 3F6 3I6 3W3 3F7 3I7 3W4 3W5 3W6 3W7
                    """
            },
            {
                "zbv",
                new(2, 2, 4),
                """
                    0F0 0F1 0F2 3F0 3I0 3W0 3F1 3I1 3W1 0F3 0I0 0W0 3F2 3I2 3W2 0I1 0W1 3F3 3I3 3W3 0I2 0W2 0I3 0W3
                    . 1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1F3 1I1 1W1 2F3 2I2 2W2 1I2 2I3 1I3 1W2 2W3 1W3
                    """
            },
            {
                "dualpipe_v",
                new(2, 2, 4),
                """
                    0F0 0F1 0F2 3F0 3I0 3W0 3F1 (0F3;3B1)OVERLAP_F_B (3F2;0B0)OVERLAP_F_B 3B2 (3F3;0B1)OVERLAP_F_B 3B3 0I2 0W2 0I3 0W3
                    1F0 2F0 1F1 2F1 1F2 2B0 (2F2;1B0)OVERLAP_F_B (1F3;2B1)OVERLAP_F_B (2F3;1B1)OVERLAP_F_B 2B2 1B2 2I3 1I3 2W3 1W3
                    """
            },
        };

    /// <summary>A table as the file that PyTorch would write.</summary>
    public static string Csv(string table) =>
        string.Concat(
            table.Split('\n').Select(row => string.Join(',', row.Split(' ').Select(c => c == "." ? "" : c)) + "\n")
        );

    public static PipelineSchedule Generate(string name, int ranks, int stagesPerRank, int microbatches) =>
        ScheduleGenerator.Find(name)!.Generate(new ScheduleShape(ranks, stagesPerRank, microbatches));
}
